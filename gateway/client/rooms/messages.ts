/**
 * GET /_matrix/client/v3/rooms/{roomId}/messages
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidmessages
 */

import { MatrixError } from '#protocol/errors.ts'
import { compileEventFilter } from '#protocol/visibility/filter-match.ts'
import { contentOf } from '#storage/rooms/aggregations.ts'
import type { PlacedEvent } from '#storage/rooms/placed-events.ts'
import { Answer, defineEndpoint } from '../../http/endpoint.ts'
import { choiceParam, integerParam } from '../../http/query.ts'
import { membersOfSenders } from './lazy-members.ts'
import { placeParam, tokenBehind, tokenField, walkTimeline } from './paging.ts'
import { presentEvents, presentState } from './present.ts'
import { filterParam, roomIdOf } from './request.ts'
import { lookInto } from './visible.ts'

const maxLimit = 500

export const endpoint = defineEndpoint({
  method: 'GET',
  path: ['/_matrix/client/v3/rooms/:roomId/messages', '/_matrix/client/r0/rooms/:roomId/messages'],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  async handle(context) {
    const { query, reads } = context
    // Who may not look into the room is told so, whatever else is wrong with his request.
    const sight = await lookInto(reads, context.requester.userId, { roomId: roomIdOf(context) })
    const state = await sight.state()
    const direction = choiceParam(query, 'dir', ['b', 'f'])
    if (direction === undefined) throw new MatrixError('M_MISSING_PARAM', 'The parameter "dir" is missing.')
    const filter = filterParam(query)
    const limit = integerParam(query, 'limit', { fallback: filter.limit ?? 10, cap: maxLimit })
    const from = (await placeParam(reads, query, 'from', sight)) ?? (direction === 'b' ? state.pos : 0)
    const to = await placeParam(reads, query, 'to', sight)
    const wants = compileEventFilter(filter)
    const { end, events, next } = await walkTimeline(reads, sight, {
      from,
      to,
      direction,
      limit,
      wants: ({ event }) => wants({ type: event.type, sender: event.sender, content: contentOf(event) }),
    })
    // NOTSPEC: "If no further events are available […], this property is omitted". Here only with an empty chunk: other servers give a token
    // with every event, clients rely on that, and forwards it is the place from which new events will follow.
    const endField = tokenField('end', events.length === 0 ? next : end)
    const texts = await presentEvents(context, sight, events)
    const where = { roomNid: sight.room.roomNid, root: state.root }
    const members = filter.lazyLoadMembers ? await membersOfSenders(reads, where, events.map(eventOf)) : []
    const memberTexts = await presentState(context, sight, members)
    const start = query.get('from') || tokenBehind(sight, from)
    const stateField = filter.lazyLoadMembers ? `,"state":[${memberTexts.join(',')}]` : ''
    return Answer.json(`{"chunk":[${texts.join(',')}]${tokenField('start', start)}${endField}${stateField}}`)
  },
})

function eventOf({ event }: PlacedEvent): PlacedEvent['event'] {
  return event
}
