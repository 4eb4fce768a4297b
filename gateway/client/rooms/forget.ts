/**
 * POST /_matrix/client/v3/rooms/{roomId}/forget
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidforget
 */

import { MatrixError } from '#protocol/errors.ts'
import { anyJsonObject } from '../../http/body.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { roomIdOf } from './request.ts'
import { joinedAmong } from '#storage/rooms/membership.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/rooms/:roomId/forget', '/_matrix/client/r0/rooms/:roomId/forget'],
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'json', schema: anyJsonObject, optional: true },
  async handle(context) {
    const roomId = roomIdOf(context)
    const { userId } = context.requester
    if ((await joinedAmong(context.reads, userId, [roomId])).length > 0) {
      throw new MatrixError('M_UNKNOWN', 'Leave the room before you forget it.', { status: 400 })
    }
    await context.ask.ask('user', userId, 'forget', { roomId }, { traceId: context.traceId })
    return {}
  },
})
