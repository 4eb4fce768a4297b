/**
 * The document in which a server publishes its keys: made for this server, read from others. Server-server API v1.19, "Retrieving server
 * keys".
 */
import { isSigningKeyId, type SigningKeyId } from '../ids/key-id.ts'
import type { ServerName } from '../ids/server-name.ts'
import {
  field,
  isJsonObject,
  JsonError,
  objectField,
  stringField,
  type JsonObject,
  type JsonValue,
} from '../json/types.ts'
import { publicKeyFromBase64, type SigningKey, type VerifyKey } from './keys.ts'
import { signJson } from './sign.ts'
import { verifyJson } from './verify.ts'

/** "Servers MUST use the lesser of this field and 7 days into the future when determining if a key is valid." In milliseconds. */
export const maxKeyValidityMs = 7 * 24 * 3_600_000

/** The keys of a server, as it published them. */
export interface ServerKeys {
  readonly server: ServerName
  /** When they should be asked for again, in milliseconds since the epoch; at most seven days after they were read. */
  readonly validUntilTs: number
  readonly keys: ReadonlyMap<SigningKeyId, VerifyKey>
}

/** A key that this server does not sign with any more. */
export interface OldKey {
  readonly id: SigningKeyId
  /** In unpadded base64. */
  readonly publicKey: string
  /** When it was last used, in milliseconds since the epoch. */
  readonly expiredTs: number
}

/** What this server publishes. `validUntilTs` in milliseconds since the epoch. */
export interface PublishedKeys {
  readonly server: ServerName
  readonly keys: readonly SigningKey[]
  readonly oldKeys: readonly OldKey[]
  readonly validUntilTs: number
}

/** The document with the keys of this server, signed with each that is in use. */
export function serverKeysDocument({ server, keys, oldKeys, validUntilTs }: PublishedKeys): JsonObject {
  const document: JsonObject = {
    server_name: server,
    verify_keys: Object.fromEntries(keys.map((key) => [key.id, { key: key.publicKey }])),
    old_verify_keys: Object.fromEntries(
      oldKeys.map(({ id, publicKey, expiredTs }) => [id, { key: publicKey, expired_ts: expiredTs }]),
    ),
    valid_until_ts: validUntilTs,
  }
  return keys.reduce((signed, key) => signJson(signed, server, key), document)
}

/**
 * The keys in a document that is said to be from a server, or undefined if it is not: of another name, without a time, without a key that
 * is one, or not signed by one of those that are in use. The signature of a notary is for the caller to check, by `verifyJson`.
 * `now` in milliseconds since the epoch.
 */
export function readServerKeys(document: JsonValue, server: ServerName, now: number): ServerKeys | undefined {
  if (!isJsonObject(document) || field(document, 'server_name') !== server) return undefined
  const stated = timeIn(document, 'valid_until_ts')
  if (stated === undefined) return undefined
  const validUntilTs = Math.min(stated, now + maxKeyValidityMs)
  const inUse = readKeys(objectField(document, 'verify_keys'), () => ({ validUntilTs }))
  if (!isSignedByOwner(document, server, inUse)) return undefined
  const old = readKeys(objectField(document, 'old_verify_keys'), (entry) => {
    const expiredTs = timeIn(entry, 'expired_ts')
    return expiredTs === undefined ? undefined : { validUntilTs, expiredTs }
  })
  return { server, validUntilTs, keys: new Map([...old, ...inUse]) }
}

/**
 * Whether a key may verify a request that arrives now, in milliseconds since the epoch: keys that are not in use any more "are only valid
 * for signing events".
 */
export function isValidForRequests(key: VerifyKey, now: number): boolean {
  return key.expiredTs === undefined && key.validUntilTs >= now
}

type KeyTimes = Omit<VerifyKey, 'publicKey'>

function readKeys(
  entries: JsonObject | undefined,
  timesOf: (entry: JsonObject) => KeyTimes | undefined,
): ReadonlyMap<SigningKeyId, VerifyKey> {
  const keys = new Map<SigningKeyId, VerifyKey>()
  for (const [id, entry] of Object.entries(entries ?? {})) {
    if (!isSigningKeyId(id) || !isJsonObject(entry)) continue
    const publicKey = publicKeyFromBase64(stringField(entry, 'key') ?? '')
    const times = timesOf(entry)
    if (publicKey !== undefined && times !== undefined) keys.set(id, { publicKey, ...times })
  }
  return keys
}

function isSignedByOwner(
  document: JsonObject,
  server: ServerName,
  keys: ReadonlyMap<SigningKeyId, VerifyKey>,
): boolean {
  try {
    return verifyJson(document, server, (id) => keys.get(id)?.publicKey).ok
  } catch (error) {
    // What has no canonical form cannot have been signed.
    if (error instanceof JsonError) return false
    throw error
  }
}

function timeIn(object: JsonObject, key: string): number | undefined {
  const time = field(object, key)
  return typeof time === 'number' && Number.isSafeInteger(time) && time >= 0 ? time : undefined
}
