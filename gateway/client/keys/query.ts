/**
 * POST /_matrix/client/v3/keys/query
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysquery
 */

import { parseJson } from '#protocol/json/parse.ts'
import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import { isUserId, serverOf, type UserId } from '#protocol/ids/user-id.ts'
import { objectField, type JsonObject } from '#protocol/json/types.ts'
import { readCrossSigningKeys, readKeySignatures, type CrossSigningKey } from '#storage/e2ee/cross-signing.ts'
import { readDeviceKeys, type DeviceKeys } from '#storage/e2ee/device-keys.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { SignatureIndex } from './merge-signatures.ts'
import { remoteFailures } from './remote-failures.ts'

/** The most users in one request. */
const maxUsers = 5000

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/keys/query', '/_matrix/client/r0/keys/query'],
  auth: 'user',
  rateLimit: 'read',
  body: {
    kind: 'json',
    schema: z.looseObject({
      device_keys: z.record(z.string(), z.array(z.string())),
      timeout: z.number().optional(),
    }),
  },
  handle: async ({ body, config, reads, requester }) => {
    const wanted = Object.entries(body.device_keys)
    if (wanted.length > maxUsers) {
      throw new MatrixError('M_TOO_LARGE', `Ask for at most ${maxUsers} users at once.`, { status: 400 })
    }
    const users = wanted.map(([userId]) => userId).filter(isUserId)
    const local = users.filter((userId) => serverOf(userId) === config.serverName)
    const [devices, crossSigning, signatures] = await Promise.all([
      readDeviceKeys(reads, local),
      readCrossSigningKeys(reads, local),
      readKeySignatures(reads, local, requester.userId),
    ])
    const index = new SignatureIndex(signatures)
    return {
      device_keys: deviceKeysOf(local, devices, { wanted: new Map(wanted), index }),
      ...crossSigningOf(crossSigning, requester.userId, index),
      failures: remoteFailures(users, config.serverName),
    }
  },
})

/** Every local user has an entry; one whose keys are not known here an empty one. An empty list of devices means all. */
function deviceKeysOf(
  users: readonly UserId[],
  devices: readonly DeviceKeys[],
  { wanted, index }: { wanted: ReadonlyMap<string, readonly string[]>; index: SignatureIndex },
): JsonObject {
  const byUser = Map.groupBy(devices, (device) => device.userId)
  return Object.fromEntries(
    users.map((userId) => {
      const ids = wanted.get(userId) ?? []
      const chosen = (byUser.get(userId) ?? []).filter(
        (device) => ids.length === 0 || ids.includes(device.deviceId),
      )
      return [userId, Object.fromEntries(chosen.map((device) => [device.deviceId, present(device, index)]))]
    }),
  )
}

function present({ userId, deviceId, displayName, keys }: DeviceKeys, index: SignatureIndex): JsonObject {
  // The cast is sound: device keys are stored as the JSON text of an object.
  const signed = index.signed(parseJson(keys) as JsonObject, userId, deviceId)
  return displayName === undefined ? signed : { ...signed, unsigned: { device_display_name: displayName } }
}

/** A user-signing key is shown to its owner alone. */
function crossSigningOf(keys: readonly CrossSigningKey[], viewer: UserId, index: SignatureIndex): JsonObject {
  const shown = (usage: CrossSigningKey['usage']): JsonObject =>
    Object.fromEntries(
      keys
        .filter((key) => key.usage === usage && (usage !== 'user_signing' || key.userId === viewer))
        .map((key) => {
          // The cast is sound: keys are stored as the JSON text of an object.
          const object = parseJson(key.json) as JsonObject
          const [publicKey] = Object.values(objectField(object, 'keys') ?? {})
          const target = typeof publicKey === 'string' ? publicKey : ''
          return [key.userId, index.signed(object, key.userId, target)]
        }),
    )
  return {
    master_keys: shown('master'),
    self_signing_keys: shown('self_signing'),
    user_signing_keys: shown('user_signing'),
  }
}
