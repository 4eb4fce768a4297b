/** How far the history goes that a database has. */

import type { Reads } from '../reads.ts'

/** Numbers of events are taken in blocks by each host, so the greatest one need not be the newest event's. */
const numbersLookedAt = 10_000

/** When the newest event was sent that the database has, epoch milliseconds; undefined without events. */
export async function newestEventMs({ sql }: Pick<Reads, 'sql'>): Promise<number | undefined> {
  const [row] = await sql<{ ts: number | null }[]>`
    select max(origin_server_ts) as ts from event
    where event_nid > (select max(event_nid) from event) - ${numbersLookedAt}::bigint`
  return row?.ts ?? undefined
}
