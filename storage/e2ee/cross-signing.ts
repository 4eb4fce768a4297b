/** Cross-signing keys, and signatures that were uploaded for keys. */

import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'

export type CrossSigningUsage = 'master' | 'self_signing' | 'user_signing'

export interface CrossSigningKey {
  readonly userId: UserId
  readonly usage: CrossSigningUsage
  /** As uploaded. */
  readonly json: string
}

export interface KeySignature {
  readonly signerId: UserId
  readonly targetUser: UserId
  /** A device id, or the public part of a cross-signing key. */
  readonly targetKey: string
  /** Such as `ed25519:…`. */
  readonly signerKeyId: string
  readonly signature: string
}

/** The cross-signing keys of these users. */
export async function readCrossSigningKeys(
  reads: Reads,
  userIds: readonly UserId[],
): Promise<CrossSigningKey[]> {
  return reads.sql<CrossSigningKey[]>`
    select user_id as "userId", usage, json from cross_signing_key where user_id = any(${userIds}::text[])
    order by user_id, usage`
}

/**
 * Signatures over the keys of these users that `viewer` may see: those by the keys' own user, and the viewer's own. Without a
 * viewer, as for another server, only the first.
 */
export async function readKeySignatures(
  reads: Reads,
  targets: readonly UserId[],
  viewer: UserId | undefined,
): Promise<KeySignature[]> {
  return reads.sql<KeySignature[]>`
    select signer_id as "signerId", target_user as "targetUser", target_key as "targetKey", signer_key_id as "signerKeyId",
      signature
    from key_signature
    where target_user = any(${targets}::text[]) and (signer_id = target_user or signer_id = ${viewer ?? null})
    order by target_user, target_key, signer_id, signer_key_id`
}
