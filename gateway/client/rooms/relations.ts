/**
 * GET /_matrix/client/v1/rooms/{roomId}/relations/{eventId}
 * GET /_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}
 * GET /_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}/{eventType}
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidrelationseventid
 */

import { relatedEvents } from '#storage/rooms/related.ts'
import { Answer, defineEndpoint } from '../../http/endpoint.ts'
import { booleanParam, choiceParam, integerParam } from '../../http/query.ts'
import { placeParam, tokenBefore, tokenBehind, tokenField } from './paging.ts'
import { presentEvents } from './present.ts'
import { pathParam, roomIdOf, type UserRequest } from './request.ts'
import { visibleEvent } from './visible-event.ts'

const maxLimit = 500
/** "It is recommended that at least 3 levels of relationships are traversed." */
const recursionDepth = 3

const base = '/_matrix/client/v1/rooms/:roomId/relations/:eventId'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: [base, `${base}/:relType`, `${base}/:relType/:eventType`],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: listRelations,
})

async function listRelations(context: UserRequest): Promise<Answer> {
  const { params, query, reads } = context
  const direction = choiceParam(query, 'dir', ['b', 'f']) ?? 'b'
  const limit = integerParam(query, 'limit', { fallback: 50, min: 1, cap: maxLimit })
  const recurse = booleanParam(query, 'recurse', false)
  const { placed, sight } = await visibleEvent(context, roomIdOf(context), pathParam(context, 'eventId'))
  const from = await placeParam(reads, query, 'from', sight)
  const to = await placeParam(reads, query, 'to', sight)
  const [low, high] = direction === 'b' ? [to, from] : [from, to]
  const found = await relatedEvents(reads, {
    roomNid: sight.room.roomNid,
    parentId: placed.event.eventId,
    depth: recurse ? recursionDepth : 1,
    relType: params['relType'],
    type: params['eventType'],
    after: low ?? 0,
    upTo: high ?? Number.MAX_SAFE_INTEGER,
    direction,
    limit: limit + 1,
  })
  const page = found.slice(0, limit)
  const texts = await presentEvents(
    context,
    sight,
    page.filter((each) => sight.maySee(each.pos)),
  )
  const last = page.at(-1)
  const token = direction === 'b' ? tokenBefore : tokenBehind
  const next = found.length > limit && last !== undefined ? token(sight, last.pos) : undefined
  const depth = recurse ? `,"recursion_depth":${recursionDepth}` : ''
  const previous = query.get('from') || undefined
  return Answer.json(
    `{"chunk":[${texts.join(',')}]${tokenField('next_batch', next)}${tokenField('prev_batch', previous)}${depth}}`,
  )
}
