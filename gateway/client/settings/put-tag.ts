/**
 * PUT /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3useruseridroomsroomidtagstag
 */

import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import { isIdText } from '#protocol/ids/limits.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { checkOwnUser } from '../own-user.ts'
import { roomIdIn } from './account-data.ts'

export const endpoint = defineEndpoint({
  method: 'PUT',
  path: [
    '/_matrix/client/v3/user/:userId/rooms/:roomId/tags/:tag',
    '/_matrix/client/r0/user/:userId/rooms/:roomId/tags/:tag',
  ],
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'json', maxBytes: 65_536, schema: z.looseObject({ order: z.number().optional() }) },
  handle: async (context) => {
    checkOwnUser(context)
    const { ask, body, params, requester, traceId } = context
    const tag = params['tag'] ?? ''
    // "The name of a tag MUST NOT exceed 255 bytes."
    if (!isIdText(tag)) throw new MatrixError('M_INVALID_PARAM', 'The name of a tag has at most 255 bytes.')
    // The cast is sound: the body was parsed from JSON.
    const request = { roomId: roomIdIn(params), tag, content: body as JsonObject }
    await ask.ask('user', requester.userId, 'putTag', request, { traceId })
    return {}
  },
})
