/**
 * GET /_matrix/client/v3/rooms/{roomId}/context/{eventId}
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidcontexteventid
 */

import { compileEventFilter } from '#protocol/visibility/filter-match.ts'
import type { RoomEventFilter } from '#protocol/visibility/filter.ts'
import type { StoredEvent } from '#storage/entry.ts'
import type { Reads } from '#storage/reads.ts'
import { contentOf } from '#storage/rooms/aggregations.ts'
import type { PlacedEvent } from '#storage/rooms/placed-events.ts'
import { Answer, defineEndpoint } from '../../http/endpoint.ts'
import { integerParam } from '../../http/query.ts'
import { membersOfSenders } from './lazy-members.ts'
import { tokenBefore, tokenBehind, tokenField, walkTimeline } from './paging.ts'
import { presentEvents, presentState } from './present.ts'
import { filterParam, pathParam, roomIdOf } from './request.ts'
import { stateReader } from './state-reader.ts'
import { visibleEvent } from './visible-event.ts'
import type { RoomSight } from './visible.ts'

const maxLimit = 100

export const endpoint = defineEndpoint({
  method: 'GET',
  path: [
    '/_matrix/client/v3/rooms/:roomId/context/:eventId',
    '/_matrix/client/r0/rooms/:roomId/context/:eventId',
  ],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  async handle(context) {
    const { query, reads } = context
    const filter = filterParam(query)
    const limit = integerParam(query, 'limit', { fallback: filter.limit ?? 10, cap: maxLimit })
    const { placed, sight } = await visibleEvent(context, roomIdOf(context), pathParam(context, 'eventId'))
    const { after, before } = await neighbours(reads, sight, { placed, limit, filter })
    const texts = await presentEvents(context, sight, [placed, ...before, ...after])
    const last = after.at(-1) ?? placed
    const first = before.at(-1) ?? placed
    const shown = [placed, ...before, ...after].map(({ event }) => event)
    const state = await presentState(context, sight, await stateFor(reads, sight, { filter, last, shown }))
    const [own = '{}', ...others] = texts
    return Answer.json(
      `{"event":${own},"events_before":[${others.slice(0, before.length).join(',')}]` +
        `,"events_after":[${others.slice(before.length).join(',')}],"state":[${state.join(',')}]` +
        `${tokenField('start', tokenBefore(sight, first.pos))}${tokenField('end', tokenBehind(sight, last.pos))}}`,
    )
  },
})

/** Half of the limit before the event, newest first, and the rest behind it. */
async function neighbours(
  reads: Reads,
  sight: RoomSight,
  what: { placed: PlacedEvent; limit: number; filter: RoomEventFilter },
): Promise<{ before: readonly PlacedEvent[]; after: readonly PlacedEvent[] }> {
  const matches = compileEventFilter(what.filter)
  const wants = ({ event }: PlacedEvent): boolean =>
    matches({ type: event.type, sender: event.sender, content: contentOf(event) })
  const { pos } = what.placed
  const half = Math.floor(what.limit / 2)
  const [before, after] = await Promise.all([
    walkTimeline(reads, sight, { from: pos - 1, to: undefined, direction: 'b', limit: half, wants }),
    walkTimeline(reads, sight, { from: pos, to: undefined, direction: 'f', limit: what.limit - half, wants }),
  ])
  return { before: before.events, after: after.events }
}

/** The state at the last event shown; with lazy loading only the members who sent what is shown. */
async function stateFor(
  reads: Reads,
  sight: RoomSight,
  what: { filter: RoomEventFilter; last: PlacedEvent; shown: readonly StoredEvent[] },
): Promise<StoredEvent[]> {
  const { filter, last, shown } = what
  const where = { roomNid: sight.room.roomNid, root: last.stateRoot }
  const all = await stateReader(reads).all(where.roomNid, where.root)
  if (!filter.lazyLoadMembers) return all
  const others = all.filter((event) => event.type !== 'm.room.member')
  return [...others, ...(await membersOfSenders(reads, where, shown))]
}
