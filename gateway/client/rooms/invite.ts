/**
 * POST /_matrix/client/v3/rooms/{roomId}/invite
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidinvite
 */

import { MatrixError } from '#protocol/errors.ts'
import { stringField, type JsonObject } from '#protocol/json/types.ts'
import { anyJsonObject } from '../../http/body.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { changeOtherMembership } from './change-membership.ts'
import { roomIdOf } from './request.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/rooms/:roomId/invite', '/_matrix/client/r0/rooms/:roomId/invite'],
  auth: 'user',
  rateLimit: 'invite',
  body: { kind: 'json', schema: anyJsonObject, grammar: 'event' },
  async handle(context) {
    const body = invitation(context.body)
    await changeOtherMembership(context, roomIdOf(context), { action: 'invite', body })
    return {}
  },
})

/** Who is invited and why. An invite by e-mail address or phone number has other keys and cannot be delivered by this server. */
function invitation(body: JsonObject): { user_id: string; reason: string | undefined } {
  const userId = stringField(body, 'user_id')
  if (userId !== undefined) return { user_id: userId, reason: stringField(body, 'reason') }
  if (Object.hasOwn(body, 'address') || Object.hasOwn(body, 'id_server')) {
    throw new MatrixError('M_THREEPID_DENIED', 'This server invites by user id only.')
  }
  throw new MatrixError('M_MISSING_PARAM', 'The field "user_id" is missing.')
}
