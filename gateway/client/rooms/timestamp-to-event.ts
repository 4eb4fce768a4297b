/**
 * GET /_matrix/client/v1/rooms/{roomId}/timestamp_to_event
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidtimestamp_to_event
 */

import { MatrixError } from '#protocol/errors.ts'
import { eventNearTime } from '#storage/rooms/timeline.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { choiceParam, integerParam, requiredParam } from '../../http/query.ts'
import { roomIdOf } from './request.ts'
import { lookInto } from './visible.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: '/_matrix/client/v1/rooms/:roomId/timestamp_to_event',
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  async handle(context) {
    requiredParam(context.query, 'ts')
    const ts = integerParam(context.query, 'ts', { fallback: 0 })
    const direction = choiceParam(context.query, 'dir', ['b', 'f']) ?? 'f'
    const sight = await lookInto(context.reads, context.requester.userId, { roomId: roomIdOf(context) })
    await sight.state()
    const near = await eventNearTime(context.reads, sight.room, { ts, direction })
    const found = near.find((placed) => sight.maySee(placed.pos))
    if (found === undefined)
      throw new MatrixError('M_NOT_FOUND', 'There is no event on that side of the moment.')
    return { event_id: found.event.eventId, origin_server_ts: found.event.originServerTs }
  },
})
