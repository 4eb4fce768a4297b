/**
 * POST /_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidreceiptreceipttypeeventid
 */

import { MatrixError } from '#protocol/errors.ts'
import { field, type JsonObject } from '#protocol/json/types.ts'
import { anyJsonObject } from '../../http/body.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { pathParam, roomIdOf } from './request.ts'
import { setFullyRead, setReceipt } from './set-markers.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: [
    '/_matrix/client/v3/rooms/:roomId/receipt/:receiptType/:eventId',
    '/_matrix/client/r0/rooms/:roomId/receipt/:receiptType/:eventId',
  ],
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'json', schema: anyJsonObject, optional: true },
  async handle(context) {
    const roomId = roomIdOf(context)
    const eventId = pathParam(context, 'eventId')
    const receiptType = pathParam(context, 'receiptType')
    const threadId = threadIdOf(context.body)
    if (receiptType === 'm.fully_read') {
      if (threadId !== '') throw new MatrixError('M_INVALID_PARAM', 'The fully-read marker has no thread.')
      await setFullyRead(context, roomId, eventId)
    } else if (receiptType === 'm.read' || receiptType === 'm.read.private') {
      await setReceipt(context, roomId, { receiptType, threadId, eventId })
    } else {
      throw new MatrixError('M_INVALID_PARAM', 'The receipt type is not known.')
    }
    return {}
  },
})

/** The thread named in the body, '' without one. */
function threadIdOf(body: JsonObject): string {
  const threadId = field(body, 'thread_id')
  if (threadId === undefined) return ''
  if (typeof threadId === 'string' && threadId !== '') return threadId
  throw new MatrixError('M_INVALID_PARAM', 'The field "thread_id" must be a string that is not empty.')
}
