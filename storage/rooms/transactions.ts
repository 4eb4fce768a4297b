/** Which event a client's transaction has made. */

import type { EventId } from '#protocol/ids/event-id.ts'
import type { Reads } from '../reads.ts'

/** The event made for a transaction key (`txn-key.ts`), or undefined if there is none. */
export async function eventOfTxn(reads: Reads, key: string): Promise<EventId | undefined> {
  const rows = await reads.sql<{ event_id: EventId }[]>`
    select e.event_id from log l join event e on e.event_nid = l.event_nid
    where l.txn_key = ${Buffer.from(key, 'base64url')}`
  return rows[0]?.event_id
}
