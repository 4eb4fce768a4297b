/**
 * POST /_matrix/client/v3/keys/upload
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysupload
 */

import { z } from 'zod'
import type { JsonObject, JsonValue } from '#protocol/json/types.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { anyJsonObject } from '../../http/body.ts'
import { spread } from '../account/spread.ts'

/** Keys by id, each a string or an object. */
const keys = z.custom<Record<string, JsonValue>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'must be an object of keys',
)

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/keys/upload', '/_matrix/client/r0/keys/upload'],
  auth: 'user',
  rateLimit: 'write',
  body: {
    kind: 'json',
    schema: z.looseObject({
      device_keys: anyJsonObject.optional(),
      one_time_keys: keys.optional(),
      fallback_keys: keys.optional(),
    }),
  },
  handle: async (context) => {
    const { ask, body, requester, traceId } = context
    const request = {
      deviceId: requester.deviceId,
      ...(body.device_keys === undefined ? {} : { deviceKeys: body.device_keys as JsonObject }),
      ...(body.one_time_keys === undefined ? {} : { oneTimeKeys: body.one_time_keys }),
      ...(body.fallback_keys === undefined ? {} : { fallbackKeys: body.fallback_keys }),
    }
    const { counts } = await ask.ask('user', requester.userId, 'uploadKeys', request, { traceId })
    if (body.device_keys !== undefined) await spread(context, requester.userId, traceId)
    return { one_time_key_counts: { ...counts } }
  },
})
