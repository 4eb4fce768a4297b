/**
 * GET /_matrix/client/v1/rooms/{roomId}/threads
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidthreads
 */

import { placedEvents } from '#storage/rooms/placed-events.ts'
import { readThreads } from '#storage/rooms/relations.ts'
import { Answer, defineEndpoint } from '../../http/endpoint.ts'
import { choiceParam, integerParam } from '../../http/query.ts'
import { placeParam, tokenBefore, tokenField } from './paging.ts'
import { presentEvents } from './present.ts'
import { roomIdOf } from './request.ts'
import { lookInto } from './visible.ts'

const maxLimit = 100

export const endpoint = defineEndpoint({
  method: 'GET',
  path: '/_matrix/client/v1/rooms/:roomId/threads',
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  async handle(context) {
    const { query, reads, requester } = context
    const include = choiceParam(query, 'include', ['all', 'participated']) ?? 'all'
    const limit = integerParam(query, 'limit', { fallback: 20, min: 1, cap: maxLimit })
    const sight = await lookInto(reads, requester.userId, { roomId: roomIdOf(context) })
    const { pos } = await sight.state()
    const upTo = (await placeParam(reads, query, 'from', sight)) ?? pos
    const threads = await readThreads(reads, {
      roomNid: sight.room.roomNid,
      before: upTo + 1,
      limit: limit + 1,
      ...(include === 'participated' ? { participant: requester.userId } : {}),
    })
    const page = threads.slice(0, limit)
    const roots = await placedEvents(
      reads,
      sight.room.roomNid,
      page.map((thread) => thread.rootId),
    )
    const byId = new Map(roots.map((root) => [root.event.eventId, root]))
    const ordered = page.flatMap((thread) => byId.get(thread.rootId) ?? [])
    const texts = await presentEvents(
      context,
      sight,
      ordered.filter((root) => sight.maySee(root.pos)),
    )
    const last = page.at(-1)
    const next = threads.length > limit && last !== undefined ? tokenBefore(sight, last.lastPos) : undefined
    return Answer.json(`{"chunk":[${texts.join(',')}]${tokenField('next_batch', next)}}`)
  },
})
