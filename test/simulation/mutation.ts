/**
 * Faults put into the program on purpose. Each breaks one sentence of the design, and something must notice: the simulator, or the test
 * that is named. What nothing notices is not held by anything.
 */

/** One change of the program's text. */
export interface Edit {
  readonly file: string
  /** Stands in the file exactly once. */
  readonly find: string
  readonly replace: string
}

export type Mutation = Edit & {
  /** What is broken, in a few words. */
  readonly name: string
  /** The sentence of the design that no longer holds. */
  readonly sentence: string
  /** Another guard of the same sentence, which is taken away as well: alone, either would do. */
  readonly also?: Edit
} & (
    | {
        /** The test file that must fail. */
        readonly test: string
        /** Why it is a test and not the simulator that notices it. */
        readonly because: string
      }
    /** The simulator must. */
    | { readonly test?: undefined; readonly because?: undefined }
  )

/** Everything that a fault changes, in its order. */
export function editsOf(mutation: Mutation): readonly Edit[] {
  return [mutation, ...(mutation.also === undefined ? [] : [mutation.also])]
}

/** Reasons why the simulator cannot notice something. */
export const because = {
  sql: 'it is in SQL, or in what brings SQL to Postgres: in the simulation a model stands for it',
  guarded: 'another guard stands behind this one: a run goes right without it, only later',
  rare: 'it needs a moment that too few runs have',
} as const
