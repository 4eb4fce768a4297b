/** Secrets that all hosts of a cluster share: the first host that needs one makes it. */

import type { Session } from '../session.ts'

/** The secret of that name, which `make` makes if there is none yet. */
export async function getOrCreateSecret(session: Session, name: string, make: () => string): Promise<string> {
  const find = (): Promise<readonly { value: string }[]> =>
    session.sql<{ value: string }[]>`select value from secret where name = ${name}`
  const [known] = await find()
  if (known) return known.value
  await session.sql`insert into secret (name, value) values (${name}, ${make()}) on conflict do nothing`
  const [made] = await find()
  if (!made) throw new Error('the secret was not stored')
  return made.value
}
