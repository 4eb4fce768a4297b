// Ed25519 keys: those that this server signs with and those that it verifies others by. Randomness comes in as a seed.

import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { parseSigningKeyId, type SigningKeyId } from '../ids/key-id.ts'
import { MatrixError } from '../errors.ts'
import { decodeBase64, encodeBase64 } from './base64.ts'

/** A key that this server signs with. */
export interface SigningKey {
  readonly id: SigningKeyId
  readonly privateKey: KeyObject
  /** The public key in unpadded base64, as it is published. */
  readonly publicKey: string
}

/** A key of any server to verify signatures by. Times in milliseconds since the epoch. */
export interface VerifyKey {
  readonly publicKey: KeyObject
  /** Until when its owner says that it is valid; the caller has limited it to seven days ahead where that is demanded. */
  readonly validUntilTs: number
  /** Since when its owner does not use it any more. */
  readonly expiredTs?: number
}

const keyBytes = 32
// The fixed first bytes of an Ed25519 key in PKCS #8 and SubjectPublicKeyInfo form (RFC 8410).
const privatePrefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const publicPrefix = Buffer.from('302a300506032b6570032100', 'hex')

/**
 * The signing key that follows from 32 random bytes. `version` names it among the keys of this server: `A-Z`, `a-z`, `0-9`, `_`.
 * Throws M_INVALID_PARAM for another version or length.
 */
export function signingKeyFromSeed(version: string, seed: Uint8Array): SigningKey {
  if (seed.length !== keyBytes) throw new MatrixError('M_INVALID_PARAM', 'A signing key is made of 32 bytes.')
  const id = parseSigningKeyId(`ed25519:${version}`)
  const privateKey = createPrivateKey({
    key: Buffer.concat([privatePrefix, seed]),
    format: 'der',
    type: 'pkcs8',
  })
  const der = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return { id, privateKey, publicKey: encodeBase64(der.subarray(publicPrefix.length)) }
}

/** The key as one line of text, `ed25519 VERSION SEED`, in the form that other homeservers keep theirs in. A secret. */
export function exportSigningKey(key: SigningKey): string {
  const der = key.privateKey.export({ format: 'der', type: 'pkcs8' })
  return `ed25519 ${key.id.slice('ed25519:'.length)} ${encodeBase64(der.subarray(privatePrefix.length))}`
}

/** The key that `exportSigningKey` wrote. Throws M_INVALID_PARAM if the line is none; the message does not contain it. */
export function importSigningKey(line: string): SigningKey {
  const [algorithm, version = '', seed = ''] = line.trim().split(/\s+/)
  const bytes = decodeBase64(seed)
  if (algorithm !== 'ed25519' || bytes === undefined) {
    throw new MatrixError('M_INVALID_PARAM', 'A signing key has the form "ed25519 VERSION SEED".')
  }
  return signingKeyFromSeed(version, bytes)
}

/** The Ed25519 public key that a base64 text stands for, or undefined if it is none. */
export function publicKeyFromBase64(text: string): KeyObject | undefined {
  const bytes = decodeBase64(text)
  if (bytes === undefined || bytes.length !== keyBytes) return undefined
  try {
    return createPublicKey({ key: Buffer.concat([publicPrefix, bytes]), format: 'der', type: 'spki' })
  } catch {
    // OpenSSL refuses 32 bytes that are no point of the curve: not a key.
    return undefined
  }
}
