/**
 * The user's cross-signing keys, and the signatures that he makes: on his own devices and keys, and on the master keys of
 * others, which he alone is shown. Client-server API v1.19, "Cross-signing". Nothing is stored whose signature is not right.
 */

import { parseJson } from '#protocol/json/parse.ts'
import { MatrixError } from '#protocol/errors.ts'
import { isUserId, type UserId } from '#protocol/ids/user-id.ts'
import { field, isJsonObject, objectField, type JsonObject, type JsonValue } from '#protocol/json/types.ts'
import {
  readCrossSigningKeys,
  readKeySignatures,
  type CrossSigningUsage,
} from '#storage/e2ee/cross-signing.ts'
import { nothing, type Draft, type UserCore, type UserHandlers } from './core.ts'
import { checkCrossSigningKey, isSignedWith, publicPart, signedText, type PublicPart } from './key-shapes.ts'
import type { UserMessages } from './messages.ts'

type KeySet = Partial<Record<CrossSigningUsage, JsonObject>>

/** A signature that was looked at: good, with where it belongs, or why it was refused. */
type Verdict =
  | { readonly ok: true; readonly signerKeyId: string; readonly signature: string; readonly isNew: boolean }
  | {
      readonly ok: false
      readonly errcode: 'M_INVALID_SIGNATURE' | 'M_NOT_FOUND' | 'M_BAD_JSON'
      readonly error: string
    }

const noSuchKey: Verdict = { ok: false, errcode: 'M_NOT_FOUND', error: 'There is no such key.' }
const badSignature: Verdict = {
  ok: false,
  errcode: 'M_INVALID_SIGNATURE',
  error: 'There is no good signature on the key as it is stored here.',
}

export class CrossSigning {
  readonly #core: UserCore

  constructor(core: UserCore) {
    this.#core = core
  }

  /** Replaces keys. The same keys again change nothing. */
  async upload(request: UserMessages['uploadCrossSigning']['request']): Promise<void> {
    this.#core.openAccount()
    await this.#core.settled()
    const present = await this.#keys(this.#core.userId)
    const given: KeySet = {
      ...(request.master === undefined ? {} : { master: request.master }),
      ...(request.selfSigning === undefined ? {} : { self_signing: request.selfSigning }),
      ...(request.userSigning === undefined ? {} : { user_signing: request.userSigning }),
    }
    this.#check(given, present)
    const changed = usagesOf(given).filter((usage) => !sameKey(given[usage], present[usage]))
    if (changed.length === 0) return
    this.#core.checkLoggedIn(request.askedFrom)
    const draft = this.#core.draft()
    if (changed.includes('master') && present.master !== undefined) await this.#drop(draft, present, given)
    else if (changed.includes('self_signing') && present.self_signing !== undefined) {
      await this.#dropSignatures(draft, publicPart(present.self_signing)?.keyId)
    }
    for (const usage of changed) {
      draft.put('cross_signing_key', {
        user_id: this.#core.userId,
        usage,
        json: JSON.stringify(given[usage]),
      })
    }
    draft.changeDeviceList()
    void this.#core.decide(draft)
  }

  /** Writes the removal of all keys and own signatures into a draft. */
  async erase(draft: Draft): Promise<void> {
    await this.#core.settled()
    await this.#drop(draft, await this.#keys(this.#core.userId), {})
  }

  /** Stores the signatures that are right, and says of each other one why not. */
  async sign(
    signatures: UserMessages['uploadSignatures']['request']['signatures'],
  ): Promise<UserMessages['uploadSignatures']['reply']['failures']> {
    this.#core.openAccount()
    await this.#core.settled()
    const draft = this.#core.draft()
    const failures: Record<string, Record<string, JsonObject>> = {}
    const seenBySigner = new Set<UserId>()
    const own = await this.#keys(this.#core.userId)
    for (const [target, objects] of Object.entries(signatures)) {
      const keys = target === this.#core.userId ? own : isUserId(target) ? await this.#keys(target) : {}
      for (const [targetKey, object] of Object.entries(objects)) {
        const verdict = this.#judge({ target, targetKey, object, own, keys })
        if (!verdict.ok) {
          const { errcode, error } = verdict
          failures[target] = { ...failures[target], [targetKey]: { errcode, error } }
        } else if (verdict.isNew) {
          this.#put(draft, target, targetKey, verdict)
          if (isUserId(target)) seenBySigner.add(target)
        }
      }
    }
    if (seenBySigner.size > 0) this.#tell(draft, seenBySigner)
    void this.#core.decide(draft)
    return failures
  }

  /** Own keys look different to everybody; others' keys only to this user's devices. */
  #tell(draft: Draft, users: Set<UserId>): void {
    if (users.delete(this.#core.userId)) draft.changeDeviceList()
    if (users.size > 0) draft.log('userDevices', { users: [...users] })
  }

  #put(draft: Draft, target: string, targetKey: string, verdict: Extract<Verdict, { ok: true }>): void {
    draft.put('key_signature', {
      signer_id: this.#core.userId,
      target_user: target,
      target_key: targetKey,
      signer_key_id: verdict.signerKeyId,
      signature: verdict.signature,
    })
  }

  /** "The server should … self-signing and user-signing keys are signed by the master key." Throws what the endpoint says. */
  #check(given: KeySet, present: KeySet): void {
    const { userId } = this.#core
    const parts = new Map<CrossSigningUsage, PublicPart>()
    for (const usage of usagesOf(given)) {
      const key = given[usage]
      if (key !== undefined) parts.set(usage, checkCrossSigningKey(key, userId, usage))
    }
    const master = parts.get('master') ?? (present.master && publicPart(present.master))
    for (const usage of ['self_signing', 'user_signing'] as const) {
      const key = given[usage]
      if (key === undefined) continue
      if (master === undefined) {
        throw new MatrixError('M_MISSING_PARAM', `A ${usage} key needs a master key that signs it.`)
      }
      if (!isSignedWith(key, { userId, ...master })) {
        throw new MatrixError('M_INVALID_SIGNATURE', `The ${usage} key is not signed by the master key.`)
      }
    }
  }

  /** A new master key ends what was signed under the one before, and the keys that it had signed. */
  async #drop(draft: Draft, present: KeySet, given: KeySet): Promise<void> {
    const { userId } = this.#core
    for (const usage of usagesOf(present)) {
      if (given[usage] !== undefined) continue
      draft.put('cross_signing_key', { user_id: userId, usage, json: '', deleted: true })
    }
    await this.#dropSignatures(draft, undefined)
  }

  /** Removes the signatures on the user's own keys, all or those by one key. */
  async #dropSignatures(draft: Draft, signerKeyId: string | undefined): Promise<void> {
    const { userId, context } = this.#core
    for (const old of await readKeySignatures(context.reads, [userId], userId)) {
      if (signerKeyId !== undefined && old.signerKeyId !== signerKeyId) continue
      draft.put('key_signature', {
        signer_id: userId,
        target_user: userId,
        target_key: old.targetKey,
        signer_key_id: old.signerKeyId,
        signature: old.signature,
        deleted: true,
      })
    }
  }

  #judge(item: { target: string; targetKey: string; object: JsonValue; own: KeySet; keys: KeySet }): Verdict {
    const { target, targetKey, object, own, keys } = item
    if (!isJsonObject(object)) return { ok: false, errcode: 'M_BAD_JSON', error: 'A key is a JSON object.' }
    const master = keys.master && publicPart(keys.master)
    if (target !== this.#core.userId) {
      if (keys.master === undefined || master?.publicKey !== targetKey) return noSuchKey
      const signer = own.user_signing && publicPart(own.user_signing)
      return this.#signed(object, keys.master, signer === undefined ? [] : [signer])
    }
    if (keys.master !== undefined && master?.publicKey === targetKey) {
      return this.#signed(object, keys.master, this.#deviceSigners())
    }
    const stored = this.#core.devices.get(targetKey)?.keys
    if (stored === undefined) return noSuchKey
    const signer = own.self_signing && publicPart(own.self_signing)
    // The cast is sound: device keys are stored as the JSON text of an object.
    return this.#signed(object, parseJson(stored) as JsonObject, signer === undefined ? [] : [signer])
  }

  /** Looks for a good signature by one of the signers on the stored key, in the object that was uploaded. */
  #signed(uploaded: JsonObject, stored: JsonObject, signers: readonly PublicPart[]): Verdict {
    const { userId } = this.#core
    const signatures = field(uploaded, 'signatures')
    if (!isJsonObject(signatures)) return badSignature
    const object = { ...stored, signatures }
    const offered = objectField(signatures, userId) ?? {}
    for (const signer of signers) {
      const signature = field(offered, signer.keyId)
      if (typeof signature !== 'string' || !isSignedWith(object, { userId, ...signer })) continue
      const held = field(objectField(objectField(stored, 'signatures') ?? {}, userId) ?? {}, signer.keyId)
      return { ok: true, signerKeyId: signer.keyId, signature, isNew: held !== signature }
    }
    return badSignature
  }

  /** The user's devices, each of which may sign his master key. */
  #deviceSigners(): PublicPart[] {
    return [...this.#core.devices.values()].flatMap((device) => {
      if (device.keys === undefined) return []
      const keyId = `ed25519:${device.deviceId}`
      const publicKey = field(objectField(parseJson(device.keys) as JsonObject, 'keys') ?? {}, keyId)
      return typeof publicKey === 'string' ? [{ keyId, publicKey }] : []
    })
  }

  async #keys(userId: UserId): Promise<KeySet> {
    const rows = await readCrossSigningKeys(this.#core.context.reads, [userId])
    // The cast is sound: keys are stored as the JSON text of an object.
    return Object.fromEntries(rows.map((row) => [row.usage, parseJson(row.json) as JsonObject]))
  }
}

function usagesOf(keys: KeySet): CrossSigningUsage[] {
  return (['master', 'self_signing', 'user_signing'] as const).filter((usage) => keys[usage] !== undefined)
}

function sameKey(a: JsonObject | undefined, b: JsonObject | undefined): boolean {
  return a !== undefined && b !== undefined && signedText(a) === signedText(b)
}

export function crossSigningHandlers(
  crossSigning: CrossSigning,
): UserHandlers<'uploadCrossSigning' | 'uploadSignatures'> {
  return {
    uploadCrossSigning: async (request) => {
      await crossSigning.upload(request)
      return nothing
    },
    uploadSignatures: async ({ signatures }) => ({ failures: await crossSigning.sign(signatures) }),
  }
}
