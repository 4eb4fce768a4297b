/** What keys must look like before they are stored. Client-server API v1.19, "End-to-End Encryption". */

import { parseJson } from '#protocol/json/parse.ts'
import { MatrixError } from '#protocol/errors.ts'
import { canonicalJson } from '#protocol/json/canonical.ts'
import { utf8Bytes } from '#protocol/json/limits.ts'
import { field, JsonError, objectField, stringField, type JsonObject } from '#protocol/json/types.ts'
import { publicKeyFromBase64 } from '#protocol/signing/keys.ts'
import { isSignedBy } from '#protocol/signing/verify.ts'

/** The greatest size of an object with keys as canonical JSON, bytes. */
export const maxKeyObjectBytes = 65_536

/**
 * Device keys as `/keys/upload` takes them. Throws M_BAD_JSON for another form, M_INVALID_PARAM for those of another user or device,
 * M_TOO_LARGE (400).
 */
export function checkDeviceKeys(keys: JsonObject, userId: string, deviceId: string): void {
  const algorithms = field(keys, 'algorithms')
  if (!Array.isArray(algorithms) || !algorithms.every((algorithm) => typeof algorithm === 'string')) {
    throw new MatrixError('M_BAD_JSON', 'The field "device_keys.algorithms" must be a list of strings.')
  }
  checkStringMap(objectField(keys, 'keys'), 'device_keys.keys')
  checkSignatures(keys, 'device_keys.signatures')
  if (stringField(keys, 'user_id') !== userId) {
    throw new MatrixError('M_INVALID_PARAM', 'The device keys are those of another user.')
  }
  if (stringField(keys, 'device_id') !== deviceId) {
    throw new MatrixError('M_INVALID_PARAM', 'The device keys are those of another device.')
  }
  checkSize(keys)
}

/** Whether other identity keys than those in the stored text stand in these device keys. */
export function identityChanged(before: string | undefined, keys: JsonObject): boolean {
  if (before === undefined) return false
  const old = objectField(parseJson(before) as JsonObject, 'keys') ?? {}
  return canonicalJson(old) !== canonicalJson(objectField(keys, 'keys') ?? {})
}

/** The one public key of a cross-signing key, with its id `ed25519:<public key>`. */
export interface PublicPart {
  readonly keyId: string
  readonly publicKey: string
}

/**
 * The public key of a cross-signing key object. Throws M_INVALID_PARAM where the object is none of that user and usage, M_TOO_LARGE (400).
 */
export function checkCrossSigningKey(key: JsonObject, userId: string, usage: string): PublicPart {
  if (stringField(key, 'user_id') !== userId) {
    throw new MatrixError('M_INVALID_PARAM', `The ${usage} key is that of another user.`)
  }
  const usages = field(key, 'usage')
  if (!Array.isArray(usages) || !usages.includes(usage)) {
    throw new MatrixError('M_INVALID_PARAM', `The ${usage} key must have "${usage}" among its usage.`)
  }
  const part = publicPart(key)
  if (part === undefined) {
    throw new MatrixError(
      'M_INVALID_PARAM',
      `The ${usage} key must have exactly one key, "ed25519:<public key>".`,
    )
  }
  if (field(key, 'signatures') !== undefined) checkSignatures(key, 'signatures')
  checkSize(key)
  return part
}

/** The public key of a cross-signing key object, undefined where it has not exactly one that is a key. */
export function publicPart(key: JsonObject): PublicPart | undefined {
  const entries = Object.entries(objectField(key, 'keys') ?? {})
  const [keyId, publicKey] = entries[0] ?? []
  if (entries.length !== 1 || keyId === undefined || typeof publicKey !== 'string') return undefined
  if (keyId !== `ed25519:${publicKey}` || publicKeyFromBase64(publicKey) === undefined) return undefined
  return { keyId, publicKey }
}

/** Whether an object bears a good signature of a user's key. */
export function isSignedWith(
  object: JsonObject,
  signer: { userId: string; keyId: string; publicKey: string },
): boolean {
  const ofUser = objectField(objectField(object, 'signatures') ?? {}, signer.userId) ?? {}
  const key = publicKeyFromBase64(signer.publicKey)
  return key !== undefined && isSignedBy(signedText(object), field(ofUser, signer.keyId), key)
}

/** The text that signatures of an object are made on. Appendices v1.19, "Signing JSON". */
export function signedText(object: JsonObject): string {
  const { signatures: _signatures, unsigned: _unsigned, ...signed } = object
  return canonicalJson(signed)
}

function checkSignatures(object: JsonObject, name: string): void {
  const signatures = objectField(object, 'signatures')
  if (signatures === undefined) throw new MatrixError('M_BAD_JSON', `The field "${name}" must be an object.`)
  for (const userId of Object.keys(signatures)) {
    checkStringMap(objectField(signatures, userId), `${name}.${userId.slice(0, 100)}`)
  }
}

function checkStringMap(map: JsonObject | undefined, name: string): void {
  if (map === undefined || !Object.values(map).every((value) => typeof value === 'string')) {
    throw new MatrixError('M_BAD_JSON', `The field "${name}" must be an object of strings.`)
  }
}

function checkSize(object: JsonObject): void {
  try {
    if (utf8Bytes(canonicalJson(object)) <= maxKeyObjectBytes) return
  } catch (error) {
    if (error instanceof JsonError) throw new MatrixError('M_BAD_JSON', error.message, { cause: error })
    throw error
  }
  throw new MatrixError('M_TOO_LARGE', `An object with keys can take ${maxKeyObjectBytes} bytes.`, {
    status: 400,
  })
}
