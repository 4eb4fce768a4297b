/** What an operator's commands ask of a database that may be anybody's and in any state. */

import type { Reads } from '../reads.ts'

/** True when the tables of the cluster are there. */
export async function hasSchema(reads: Reads): Promise<boolean> {
  const [row] = await reads.sql<{ known: boolean }[]>`select to_regclass('cluster') is not null as known`
  return row?.known === true
}

/** The shared secret of that name, undefined if nobody has needed it yet. */
export async function findSecret(reads: Reads, name: string): Promise<string | undefined> {
  const [row] = await reads.sql<{ value: string }[]>`select value from secret where name = ${name}`
  return row?.value
}
