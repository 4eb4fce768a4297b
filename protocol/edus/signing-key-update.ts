import type { UserId } from '../ids/user-id.ts'
import { field, objectField, type JsonObject } from '../json/types.ts'
import { userOf, type EduRoute } from './edu-route.ts'

/** A user has changed his cross-signing keys; an absent one has not changed. Signatures are not checked. */
export interface SigningKeyUpdate {
  readonly kind: 'signing-key-update'
  readonly userId: UserId
  readonly masterKey: JsonObject | undefined
  readonly selfSigningKey: JsonObject | undefined
}

/**
 * The content of an `m.signing_key_update` about a user of the sending server, with at least one key that is his and made for its use.
 * Server-server API v1.19, "End-to-End Encryption".
 */
export function readSigningKeyUpdate(
  content: JsonObject,
  { origin }: EduRoute,
): SigningKeyUpdate | undefined {
  const userId = userOf(origin, content, 'user_id')
  if (userId === undefined) return undefined
  const masterKey = keyFor(content, 'master_key', { userId, usage: 'master' })
  const selfSigningKey = keyFor(content, 'self_signing_key', { userId, usage: 'self_signing' })
  if (masterKey === undefined && selfSigningKey === undefined) return undefined
  return { kind: 'signing-key-update', userId, masterKey, selfSigningKey }
}

function keyFor(
  content: JsonObject,
  name: string,
  owner: { readonly userId: UserId; readonly usage: string },
): JsonObject | undefined {
  const key = objectField(content, name)
  if (key === undefined || field(key, 'user_id') !== owner.userId) return undefined
  const usage = field(key, 'usage')
  const isMeant = Array.isArray(usage) && usage.includes(owner.usage)
  // "The object must have exactly one property": client-server API v1.19, CrossSigningKey.
  return isMeant && Object.keys(objectField(key, 'keys') ?? {}).length === 1 ? key : undefined
}
