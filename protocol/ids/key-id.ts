import { MatrixError } from '../errors.ts'
import type { Brand } from './brand.ts'

/** The id of a key, `algorithm:name`, such as `ed25519:a_Xy12` or `signed_curve25519:AAAAHg`. */
export type KeyId = Brand<'KeyId'>

/** The id of a server's signing key, `ed25519:version`. Appendices v1.19, "Signing Details". */
export type SigningKeyId = KeyId & { readonly __algorithm: 'ed25519' }

const keyId = /^[a-z0-9_.]{1,64}:[^\0]{1,190}$/
const signingKeyId = /^ed25519:[A-Za-z0-9_]{1,190}$/

/** True for `algorithm:name` with both parts present, at most 255 characters. */
export function isKeyId(text: string): text is KeyId {
  return keyId.test(text) && text.isWellFormed()
}

/** The string as a key id. Throws M_INVALID_PARAM if it is none. */
export function parseKeyId(text: string): KeyId {
  if (!isKeyId(text)) throw new MatrixError('M_INVALID_PARAM', 'Not a valid key id.')
  return text
}

/** True for `ed25519:` and a version of `A-Z`, `a-z`, `0-9`, `_`. */
export function isSigningKeyId(text: string): text is SigningKeyId {
  return signingKeyId.test(text)
}

/** The string as the id of a signing key. Throws M_INVALID_PARAM if it is none. */
export function parseSigningKeyId(text: string): SigningKeyId {
  if (!isSigningKeyId(text)) throw new MatrixError('M_INVALID_PARAM', 'Not a valid signing key id.')
  return text
}

/** The algorithm of a key, the part before the first colon. */
export function algorithmOf(key: KeyId): string {
  return key.slice(0, key.indexOf(':'))
}

/** The name of a key, the part after the first colon; for device keys this is the device id. */
export function nameOfKey(key: KeyId): string {
  return key.slice(key.indexOf(':') + 1)
}
