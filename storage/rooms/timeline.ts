/** A room's events in the order of arrival. */

import type { Reads } from '../reads.ts'
import { toPlaced, type PlacedEvent, type PlacedRow } from './placed-events.ts'
import { eventColumns } from './rows.ts'

/** Events with `after` < position <= `upTo`, from the newest or from the oldest of them. */
export interface TimelinePage {
  readonly roomNid: number
  readonly after: number
  readonly upTo: number
  readonly direction: 'b' | 'f'
  readonly limit: number
}

/** One page, in its direction. */
export async function timelinePage(reads: Reads, page: TimelinePage): Promise<PlacedEvent[]> {
  const { after, limit, roomNid, upTo } = page
  const order = page.direction === 'b' ? reads.sql`order by l.pos desc` : reads.sql`order by l.pos`
  const rows = await reads.sql<PlacedRow[]>`
    select ${eventColumns(reads)}, l.pos, l.state_root
    from log l join event e on e.event_nid = l.event_nid
    where l.room_nid = ${roomNid} and l.pos > ${after} and l.pos <= ${upTo}
      and l.event_nid is not null and l.state_root is not null
    ${order} limit ${limit}`
  return rows.map(toPlaced)
}

/** How far around the moment found the nearest event is looked for: timestamps need not ascend with the order of arrival. */
const neighbours = 50

/**
 * The event of a room that is nearest to a moment: the first at or after it (`f`), or the last at or before it (`b`).
 * NOTSPEC: found by halving the order of arrival, so that an event whose timestamp is far from its neighbours' may be missed.
 */
export async function eventNearTime(
  reads: Reads,
  room: { readonly roomNid: number; readonly head: number },
  moment: { readonly ts: number; readonly direction: 'b' | 'f' },
): Promise<PlacedEvent[]> {
  // Going forwards the edge lies before the events of the very moment, going backwards behind them.
  const edge = moment.direction === 'f' ? moment.ts : moment.ts + 1
  let low = 0
  let high = room.head
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const [next] = await timelinePage(reads, {
      roomNid: room.roomNid,
      after: middle,
      upTo: room.head,
      direction: 'f',
      limit: 1,
    })
    if (next === undefined || next.event.originServerTs >= edge) high = middle
    else low = next.pos
  }
  return around(reads, room, { ...moment, pos: low })
}

/** Events around a position that lie on the wanted side of the moment, nearest in time first. */
async function around(
  reads: Reads,
  room: { readonly roomNid: number; readonly head: number },
  moment: { readonly ts: number; readonly direction: 'b' | 'f'; readonly pos: number },
): Promise<PlacedEvent[]> {
  const { pos } = moment
  const page = { roomNid: room.roomNid, limit: neighbours }
  const pages = await Promise.all([
    timelinePage(reads, { ...page, after: 0, upTo: pos, direction: 'b' }),
    timelinePage(reads, { ...page, after: pos, upTo: room.head, direction: 'f' }),
  ])
  const sign = moment.direction === 'f' ? 1 : -1
  return pages
    .flat()
    .filter((placed) => (placed.event.originServerTs - moment.ts) * sign >= 0)
    .sort((a, b) => (a.event.originServerTs - b.event.originServerTs) * sign || (a.pos - b.pos) * sign)
}
