/**
 * POST /_matrix/client/v3/rooms/{roomId}/read_markers
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidread_markers
 */

import { z } from 'zod'
import { defineEndpoint } from '../../http/endpoint.ts'
import { roomIdOf } from './request.ts'
import { setFullyRead, setReceipt } from './set-markers.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/rooms/:roomId/read_markers', '/_matrix/client/r0/rooms/:roomId/read_markers'],
  auth: 'user',
  rateLimit: 'write',
  body: {
    kind: 'json',
    optional: true,
    schema: z.looseObject({
      'm.fully_read': z.string().optional(),
      'm.read': z.string().optional(),
      'm.read.private': z.string().optional(),
    }),
  },
  async handle(context) {
    const roomId = roomIdOf(context)
    const { body } = context
    for (const receiptType of ['m.read', 'm.read.private'] as const) {
      const eventId = body[receiptType]
      if (eventId !== undefined) await setReceipt(context, roomId, { receiptType, threadId: '', eventId })
    }
    const fullyRead = body['m.fully_read']
    if (fullyRead !== undefined) await setFullyRead(context, roomId, fullyRead)
    return {}
  },
})
