/** Numbers for events and rooms: unique for ever, without order, with gaps where a process died. */

import type { Session } from '../session.ts'
import { checkIncarnation } from './incarnation.ts'

/** Numbers from `first` to `last`, both included. */
export interface NumberBlock {
  readonly first: number
  readonly last: number
}

const eventBlock = 1000

/** A block of a thousand event numbers for the caller alone. */
export async function takeEventNumbers(session: Session): Promise<NumberBlock> {
  // The connection may be a new one, to a server whose sequence has gone back.
  await checkIncarnation(session)
  // The sequence goes on by a thousand each time, see its definition.
  const [row] = await session.sql<{ first: number }[]>`select nextval('event_number') as first`
  if (!row) throw new Error('nextval returned no row')
  return { first: row.first, last: row.first + eventBlock - 1 }
}

/** Numbers for new rooms. */
export async function takeRoomNumbers(session: Session, count: number): Promise<number[]> {
  await checkIncarnation(session)
  const rows = await session.sql<
    { n: number }[]
  >`select nextval('room_number') as n from generate_series(1, ${count}::integer)`
  return rows.map(({ n }) => n)
}
