/**
 * PUT /_matrix/client/v3/rooms/{roomId}/typing/{userId}
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidtypinguserid
 */

import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { askOwnRoom, pathParam, roomIdOf } from './request.ts'

const defaultTimeoutMs = 30_000

export const endpoint = defineEndpoint({
  method: 'PUT',
  path: [
    '/_matrix/client/v3/rooms/:roomId/typing/:userId',
    '/_matrix/client/r0/rooms/:roomId/typing/:userId',
  ],
  auth: 'user',
  rateLimit: 'write',
  body: {
    kind: 'json',
    schema: z.looseObject({ typing: z.boolean(), timeout: z.number().optional() }),
  },
  async handle(context) {
    const { userId } = context.requester
    if (pathParam(context, 'userId') !== userId) {
      throw new MatrixError('M_FORBIDDEN', 'You can tell only of yourself that you are typing.')
    }
    const { timeout, typing } = context.body
    const request = { userId, typing, timeoutMs: timeout ?? defaultTimeoutMs }
    await askOwnRoom(context, roomIdOf(context), 'typing', request)
    return {}
  },
})
