/**
 * POST /_matrix/client/v3/keys/signatures/upload
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keyssignaturesupload
 */

import { z } from 'zod'
import type { JsonValue } from '#protocol/json/types.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { spread } from '../account/spread.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: [
    '/_matrix/client/v3/keys/signatures/upload',
    '/_matrix/client/r0/keys/signatures/upload',
    '/_matrix/client/unstable/keys/signatures/upload',
  ],
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'json', schema: z.record(z.string(), z.record(z.string(), z.custom<JsonValue>())) },
  handle: async (context) => {
    const { ask, body, requester, traceId } = context
    const request = { signatures: body }
    const { failures } = await ask.ask('user', requester.userId, 'uploadSignatures', request, { traceId })
    await spread(context, requester.userId, traceId)
    return { failures }
  },
})
