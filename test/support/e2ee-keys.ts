/** Keys and signatures as clients make them. */

import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { canonicalJson } from '#protocol/json/canonical.ts'
import { objectField, type JsonObject } from '#protocol/json/types.ts'

/** An Ed25519 key of a client. */
export interface ClientKey {
  readonly privateKey: KeyObject
  /** Unpadded base64. */
  readonly publicKey: string
}

export function makeKey(): ClientKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const der = publicKey.export({ format: 'der', type: 'spki' })
  return { privateKey, publicKey: Buffer.from(der.subarray(-32)).toString('base64').replace(/=+$/, '') }
}

/** The object with one more signature. */
export function signedBy(
  object: JsonObject,
  signer: { userId: string; keyId: string; key: ClientKey },
): JsonObject {
  const { signatures = {}, unsigned: _unsigned, ...rest } = object
  const text = Buffer.from(canonicalJson(rest))
  const signature = sign(null, text, signer.key.privateKey).toString('base64').replace(/=+$/, '')
  const present = objectField({ signatures }, 'signatures') ?? {}
  const ofUser = objectField(present, signer.userId) ?? {}
  return { ...object, signatures: { ...present, [signer.userId]: { ...ofUser, [signer.keyId]: signature } } }
}

/** Device keys, signed by the device. */
export function deviceKeys(userId: string, deviceId: string, key: ClientKey): JsonObject {
  const keys = { [`ed25519:${deviceId}`]: key.publicKey, [`curve25519:${deviceId}`]: makeKey().publicKey }
  const object = {
    user_id: userId,
    device_id: deviceId,
    algorithms: ['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2'],
    keys,
  }
  return signedBy(object, { userId, keyId: `ed25519:${deviceId}`, key })
}

/** A cross-signing key; a master key bears no signature yet. */
export function crossSigningKey(userId: string, usage: string, key: ClientKey): JsonObject {
  return { user_id: userId, usage: [usage], keys: { [`ed25519:${key.publicKey}`]: key.publicKey } }
}

/** A whole identity: three keys, two of them signed by the master key. */
export function makeIdentity(userId: string): {
  master: ClientKey
  selfSigning: ClientKey
  userSigning: ClientKey
  upload: JsonObject
} {
  const [master, selfSigning, userSigning] = [makeKey(), makeKey(), makeKey()]
  const signer = { userId, keyId: `ed25519:${master.publicKey}`, key: master }
  return {
    master,
    selfSigning,
    userSigning,
    upload: {
      master_key: crossSigningKey(userId, 'master', master),
      self_signing_key: signedBy(crossSigningKey(userId, 'self_signing', selfSigning), signer),
      user_signing_key: signedBy(crossSigningKey(userId, 'user_signing', userSigning), signer),
    },
  }
}
