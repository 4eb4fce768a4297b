/**
 * Faults put into the program on purpose. Each breaks one sentence of the design, and something must notice: the simulator, or the test
 * that is named. What nothing notices is not held by anything.
 */

export type Mutation = {
  /** What is broken, in a few words. */
  readonly name: string
  /** The sentence of the design that no longer holds. */
  readonly sentence: string
  readonly file: string
  /** Stands in the file exactly once. */
  readonly find: string
  readonly replace: string
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

/** Reasons why the simulator cannot notice something. */
export const because = {
  sql: 'it is in SQL, or in what brings SQL to Postgres: in the simulation a model stands for it',
  gateway: 'the gateway is not in the simulation',
  guarded: 'another guard stands behind this one: a run goes right without it, only later',
  rare: 'it needs a moment that too few runs have',
} as const
