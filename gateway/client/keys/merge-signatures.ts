/** Puts signatures that were uploaded apart from a key into the key. */

import { isJsonObject, objectField, type JsonObject } from '#protocol/json/types.ts'
import type { KeySignature } from '#storage/e2ee/cross-signing.ts'

/** Signatures by the key that they are on: user and, of him, device id or public key. */
export class SignatureIndex {
  readonly #byTarget: ReadonlyMap<string, readonly KeySignature[]>

  constructor(signatures: readonly KeySignature[]) {
    this.#byTarget = Map.groupBy(signatures, ({ targetUser, targetKey }) => nameOf(targetUser, targetKey))
  }

  /** The key with its own signatures and those that are known here. */
  signed(key: JsonObject, userId: string, targetKey: string): JsonObject {
    const found = this.#byTarget.get(nameOf(userId, targetKey))
    if (found === undefined) return key
    const merged = new Map(Object.entries(objectField(key, 'signatures') ?? {}))
    for (const { signerId, signerKeyId, signature } of found) {
      const ofSigner = merged.get(signerId)
      merged.set(signerId, { ...(isJsonObject(ofSigner) ? ofSigner : {}), [signerKeyId]: signature })
    }
    return { ...key, signatures: Object.fromEntries(merged) }
  }
}

function nameOf(userId: string, targetKey: string): string {
  return JSON.stringify([userId, targetKey])
}
