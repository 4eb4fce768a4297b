/**
 * Device keys, one-time keys and fallback keys. One-time keys stay in Postgres; in memory are only their numbers. A claim takes
 * the oldest one, and because the actor does one thing after the other, each goes out once.
 */

import { parseJson } from '#protocol/json/parse.ts'
import { MatrixError } from '#protocol/errors.ts'
import { isKeyId } from '#protocol/ids/key-id.ts'
import { canonicalJson } from '#protocol/json/canonical.ts'
import type { JsonObject, JsonValue } from '#protocol/json/types.ts'
import { readKeySignatures } from '#storage/e2ee/cross-signing.ts'
import {
  readFallbackKeys,
  readKeyCounts,
  readKeysById,
  readLastKeyNumber,
  readOldestKey,
} from '#storage/e2ee/one-time-keys.ts'
import type { Draft, UserCore, UserHandlers } from './core.ts'
import { checkDeviceKeys, identityChanged } from './key-shapes.ts'
import type { UploadKeys } from './messages.ts'
import type { KeyCounts } from './own-state.ts'

/** The most one-time keys that a device may have in store. */
export const maxOneTimeKeys = 1000

/** The greatest size of one key as JSON, bytes. */
export const maxKeyBytes = 16_384

/** How many claims an activation can tell again. */
const rememberedClaims = 500

/** The algorithm of which clients always want to hear the number, even 0. */
const usualAlgorithm = 'signed_curve25519'

/** What a device has in store. */
interface Stock {
  readonly counts: Map<string, number>
  /** Algorithm → whether its fallback key has been used. */
  readonly fallback: Map<string, boolean>
}

type ClaimedKeys = Record<string, Record<string, JsonValue>>

export class Keys {
  readonly #core: UserCore
  readonly #stocks = new Map<string, Promise<Stock>>()
  readonly #claims = new Map<string, ClaimedKeys>()
  #lastNumber: number | undefined = undefined

  constructor(core: UserCore) {
    this.#core = core
  }

  /** See `OwnState.keyCounts`. */
  async counts(deviceId: string): Promise<KeyCounts> {
    const stock = await this.#stock(deviceId)
    const unusedFallback = [...stock.fallback].filter(([, used]) => !used).map(([algorithm]) => algorithm)
    return { counts: shownCounts(stock), unusedFallback }
  }

  /** The devices are gone, and their keys with them: also what was signed of them. */
  async devicesRemoved(draft: Draft, deviceIds: readonly string[]): Promise<void> {
    for (const deviceId of deviceIds) {
      // Not read anew: until the removal is in Postgres, the old keys would be found there, and kept for the next device of that name.
      this.#stocks.set(deviceId, Promise.resolve({ counts: new Map(), fallback: new Map() }))
      await this.#dropSignatures(draft, deviceId)
    }
  }

  async upload(request: UploadKeys): Promise<Readonly<Record<string, number>>> {
    const { deviceId, deviceKeys, oneTimeKeys = {}, fallbackKeys = {} } = request
    this.#core.openAccount()
    this.#core.device(deviceId)
    const stock = await this.#stock(deviceId)
    await this.#core.settled()
    // Everything is looked at before anything is changed: an upload is taken whole or not at all.
    if (deviceKeys !== undefined) checkDeviceKeys(deviceKeys, this.#core.userId, deviceId)
    const added = await this.#newKeys(deviceId, stock, oneTimeKeys)
    const fallbacks = await this.#changedFallbacks(deviceId, fallbackKeys)
    const draft = this.#core.draft()
    if (deviceKeys !== undefined) await this.#putDeviceKeys(draft, deviceId, deviceKeys)
    let number = (this.#lastNumber ??= await readLastKeyNumber(this.#core.context.reads, this.#core.userId))
    this.#lastNumber += added.length
    for (const key of added) {
      draft.put('one_time_key', { ...this.#address(deviceId), ...key, seq: ++number })
      stock.counts.set(key.algorithm, (stock.counts.get(key.algorithm) ?? 0) + 1)
    }
    for (const key of fallbacks) {
      draft.put('fallback_key', { ...this.#address(deviceId), ...key, used: false })
      stock.fallback.set(key.algorithm, false)
    }
    void this.#core.decide(draft)
    return shownCounts(stock)
  }

  /** Device id → algorithm. Repeated with the same `claimKey`, it gives the same keys. */
  async claim(claims: Readonly<Record<string, string>>, claimKey: string): Promise<ClaimedKeys> {
    this.#core.openAccount()
    const known = this.#claims.get(claimKey)
    if (known !== undefined) return known
    await this.#core.settled()
    const draft = this.#core.draft()
    const keys: ClaimedKeys = {}
    for (const [deviceId, algorithm] of Object.entries(claims)) {
      if (!this.#core.devices.has(deviceId)) continue
      const key = await this.#take(draft, deviceId, algorithm)
      if (key !== undefined) keys[deviceId] = key
    }
    this.#claims.set(claimKey, keys)
    if (this.#claims.size > rememberedClaims) {
      const oldest = this.#claims.keys().next()
      if (oldest.done !== true) this.#claims.delete(oldest.value)
    }
    void this.#core.decide(draft)
    return keys
  }

  /** The oldest one-time key, which is gone then, or the fallback key. */
  async #take(
    draft: Draft,
    deviceId: string,
    algorithm: string,
  ): Promise<Record<string, JsonValue> | undefined> {
    const { reads } = this.#core.context
    const device = { userId: this.#core.userId, deviceId }
    const stock = await this.#stock(deviceId)
    const oldest = await readOldestKey(reads, device, algorithm)
    if (oldest !== undefined) {
      const { keyId, json } = oldest
      draft.put('one_time_key', {
        ...this.#address(deviceId),
        algorithm,
        key_id: keyId,
        json,
        seq: 0,
        deleted: true,
      })
      stock.counts.set(algorithm, Math.max(0, (stock.counts.get(algorithm) ?? 1) - 1))
      return { [`${algorithm}:${keyId}`]: parseJson(json) }
    }
    const fallback = (await readFallbackKeys(reads, device)).find((key) => key.algorithm === algorithm)
    if (fallback === undefined) return undefined
    const { keyId, json } = fallback
    if (!fallback.used) {
      draft.put('fallback_key', { ...this.#address(deviceId), algorithm, key_id: keyId, json, used: true })
      stock.fallback.set(algorithm, true)
    }
    return { [`${algorithm}:${keyId}`]: parseJson(json) }
  }

  /**
   * The keys that are not there yet, and were not given out before. Throws M_INVALID_PARAM for an id that is there with another key,
   * M_TOO_LARGE for too many.
   */
  async #newKeys(
    deviceId: string,
    stock: Stock,
    keys: Readonly<Record<string, JsonValue>>,
  ): Promise<{ algorithm: string; key_id: string; json: string }[]> {
    const given = Object.entries(keys).map(([id, key]) => parseKey(id, key))
    if (given.length === 0) return []
    const { userId, context } = this.#core
    const present = await readKeysById(context.reads, { userId, deviceId }, Object.keys(keys))
    const textsOf = (claimed: boolean): Map<string, string> =>
      new Map(
        present
          .filter((key) => key.claimed === claimed)
          .map((key) => [`${key.algorithm}:${key.keyId}`, key.json]),
      )
    const texts = textsOf(false)
    const claimed = textsOf(true)
    const added = given.filter((key) => {
      const id = `${key.algorithm}:${key.key_id}`
      const json = texts.get(id)
      // An upload that is repeated, for its answer was lost, and somebody has got the key meanwhile.
      const gone = claimed.get(id)
      if (json === undefined) return gone === undefined || sameText(gone) !== sameText(key.json)
      if (sameText(json) === sameText(key.json)) return false
      throw new MatrixError(
        'M_INVALID_PARAM',
        `Another one-time key has the id ${key.algorithm}:${key.key_id} already.`,
      )
    })
    const inStore = [...stock.counts.values()].reduce((sum, count) => sum + count, 0)
    if (added.length > 0 && inStore + added.length > maxOneTimeKeys) {
      throw new MatrixError('M_TOO_LARGE', `A device can have ${maxOneTimeKeys} one-time keys in store.`)
    }
    return added
  }

  /** A fallback key that is there already stays as it is, used or not. */
  async #changedFallbacks(
    deviceId: string,
    keys: Readonly<Record<string, JsonValue>>,
  ): Promise<{ algorithm: string; key_id: string; json: string }[]> {
    const given = Object.entries(keys).map(([id, key]) => parseKey(id, key))
    if (given.length === 0) return []
    if (new Set(given.map((key) => key.algorithm)).size < given.length) {
      throw new MatrixError('M_INVALID_PARAM', 'There can be one fallback key of each algorithm.')
    }
    const present = await readFallbackKeys(this.#core.context.reads, { userId: this.#core.userId, deviceId })
    return given.filter((key) => {
      const old = present.find((candidate) => candidate.algorithm === key.algorithm)
      return old === undefined || old.keyId !== key.key_id || sameText(old.json) !== sameText(key.json)
    })
  }

  async #putDeviceKeys(draft: Draft, deviceId: string, keys: JsonObject): Promise<void> {
    const text = canonicalJson(keys)
    const device = this.#core.device(deviceId)
    if (device.keys === text) return
    if (identityChanged(device.keys, keys)) await this.#dropSignatures(draft, deviceId)
    this.#core.devices.set(deviceId, { ...device, keys: text })
    draft.put('device', { user_id: this.#core.userId, device_id: deviceId, keys: text })
    draft.changeDeviceList()
  }

  async #dropSignatures(draft: Draft, deviceId: string): Promise<void> {
    const { userId, context } = this.#core
    const signatures = await readKeySignatures(context.reads, [userId], userId)
    for (const { targetKey, signerKeyId, signature } of signatures) {
      if (targetKey !== deviceId) continue
      draft.put('key_signature', {
        signer_id: userId,
        target_user: userId,
        target_key: deviceId,
        signer_key_id: signerKeyId,
        signature,
        deleted: true,
      })
    }
  }

  #address(deviceId: string): { user_id: string; device_id: string } {
    return { user_id: this.#core.userId, device_id: deviceId }
  }

  #stock(deviceId: string): Promise<Stock> {
    const known = this.#stocks.get(deviceId)
    if (known !== undefined) return known
    const { userId, context } = this.#core
    const loading = Promise.all([
      readKeyCounts(context.reads, { userId, deviceId }),
      readFallbackKeys(context.reads, { userId, deviceId }),
    ]).then(([counts, keys]): Stock => ({
      counts,
      fallback: new Map(keys.map((key) => [key.algorithm, key.used])),
    }))
    this.#stocks.set(deviceId, loading)
    loading.catch(() => this.#stocks.delete(deviceId))
    return loading
  }
}

function parseKey(id: string, key: JsonValue): { algorithm: string; key_id: string; json: string } {
  if (!isKeyId(id))
    throw new MatrixError('M_BAD_JSON', `"${id.slice(0, 100)}" is not a key id: algorithm:name.`)
  if (typeof key !== 'string' && (typeof key !== 'object' || key === null || Array.isArray(key))) {
    throw new MatrixError('M_BAD_JSON', `The key ${id} must be a string or an object.`)
  }
  const json = JSON.stringify(key)
  if (json.length > maxKeyBytes)
    throw new MatrixError('M_TOO_LARGE', `The key ${id} is too large.`, { status: 400 })
  const colon = id.indexOf(':')
  return { algorithm: id.slice(0, colon), key_id: id.slice(colon + 1), json }
}

/** A text that is equal for equal values, whatever the order of their keys. */
function sameText(json: string): string {
  return canonicalJson(parseJson(json), 'lax')
}

function shownCounts(stock: Stock): Record<string, number> {
  const counts: Record<string, number> = { [usualAlgorithm]: 0 }
  for (const [algorithm, count] of stock.counts) if (count > 0) counts[algorithm] = count
  return counts
}

/** `onCounts` is called when other numbers of keys are in store than before; a reply that tells them waits for their commit. */
export function keyHandlers(keys: Keys, onCounts: () => void): UserHandlers<'uploadKeys' | 'claimKeys'> {
  return {
    uploadKeys: async (request) => {
      const counts = await keys.upload(request)
      onCounts()
      return { counts }
    },
    claimKeys: async ({ claims, claimKey }) => {
      const claimed = await keys.claim(claims, claimKey)
      onCounts()
      return { keys: claimed }
    },
  }
}
