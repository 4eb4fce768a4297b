/**
 * POST /_matrix/client/v3/keys/device_signing/upload
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysdevice_signingupload
 */

import { parseJson } from '#protocol/json/parse.ts'
import { z } from 'zod'
import type { UserId } from '#protocol/ids/user-id.ts'
import { canonicalJson } from '#protocol/json/canonical.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import type { Reads } from '#storage/reads.ts'
import { readCrossSigningKeys, type CrossSigningUsage } from '#storage/e2ee/cross-signing.ts'
import { anyJsonObject } from '../../http/body.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { passwordDemand } from '../account/password-demand.ts'
import { spread } from '../account/spread.ts'
import { interact } from '../uia.ts'

type KeySet = Partial<Record<CrossSigningUsage, JsonObject>>

export const endpoint = defineEndpoint({
  method: 'POST',
  path: [
    '/_matrix/client/v3/keys/device_signing/upload',
    '/_matrix/client/r0/keys/device_signing/upload',
    '/_matrix/client/unstable/keys/device_signing/upload',
  ],
  auth: 'user',
  rateLimit: 'write',
  body: {
    kind: 'json',
    schema: z.looseObject({
      auth: z.looseObject({}).optional(),
      master_key: anyJsonObject.optional(),
      self_signing_key: anyJsonObject.optional(),
      user_signing_key: anyJsonObject.optional(),
    }),
  },
  handle: async (context) => {
    const { ask, body, reads, requester, traceId } = context
    const given: KeySet = {
      ...(body.master_key === undefined ? {} : { master: body.master_key }),
      ...(body.self_signing_key === undefined ? {} : { self_signing: body.self_signing_key }),
      ...(body.user_signing_key === undefined ? {} : { user_signing: body.user_signing_key }),
    }
    if (await replacesKeys(reads, requester.userId, given)) {
      const operation = 'POST /_matrix/client/v3/keys/device_signing/upload'
      const unfinished = await interact(context, passwordDemand(operation, requester))
      if (unfinished !== undefined) return unfinished
    }
    const request = {
      askedFrom: requester.deviceId,
      ...(given.master === undefined ? {} : { master: given.master }),
      ...(given.self_signing === undefined ? {} : { selfSigning: given.self_signing }),
      ...(given.user_signing === undefined ? {} : { userSigning: given.user_signing }),
    }
    await ask.ask('user', requester.userId, 'uploadCrossSigning', request, { traceId })
    await spread(context, requester.userId, traceId)
    return {}
  },
})

/**
 * Whether the user must show that he is himself. Since v1.11 not if "there is no existing cross-signing master key uploaded to the
 * homeserver, OR there is an existing cross-signing master key and it exactly matches the cross-signing master key provided with the
 * request body" and so on for the other keys.
 */
async function replacesKeys(reads: Reads, userId: UserId, given: KeySet): Promise<boolean> {
  const present = await readCrossSigningKeys(reads, [userId])
  if (!present.some((key) => key.usage === 'master')) return false
  const texts = new Map(
    present.map((key) => [key.usage, withoutSignatures(parseJson(key.json) as JsonObject)]),
  )
  return Object.entries(given).some(
    ([usage, key]) => texts.get(usage as CrossSigningUsage) !== withoutSignatures(key),
  )
}

function withoutSignatures({ signatures: _signatures, unsigned: _unsigned, ...key }: JsonObject): string {
  return canonicalJson(key, 'lax')
}
