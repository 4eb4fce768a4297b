/**
 * What a client does beside talking: it sets its mood in a room, reads, whispers to the device of somebody, and takes one-time keys. Each is
 * repeated until it is acknowledged, and kept.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '#actors/runtime/clock.ts'
import { deviceKeys, makeKey, signedBy } from '../support/e2ee-keys.ts'
import type { MatrixUser } from '../support/matrix.ts'
import type { Whisper } from './history.ts'
import type { Talker } from './talker.ts'

export interface ErrandOptions {
  readonly talker: Talker
  /** Others who are in a room with it. */
  readonly mates: (roomId: string) => readonly MatrixUser[]
  readonly random: Random
  /** Longest pause between two errands, milliseconds. */
  readonly pauseMs: number
}

/** The type of the state that everybody may set under his own name. */
export const moodType = 'org.example.mood'

const whisperType = 'org.example.whisper'
const keyAlgorithm = 'signed_curve25519'
const keysAtOnce = 8

export class Errands {
  /** Acknowledged ones. */
  readonly whispers: Whisper[] = []
  readonly claims: string[] = []
  readonly #options: ErrandOptions
  readonly #key = makeKey()
  #made = 0
  #keys = 0

  constructor(options: ErrandOptions) {
    this.#options = options
  }

  /** Runs errands until the talker is hushed. Rejects when the server refuses what it must accept. */
  async run(): Promise<void> {
    const { talker, random, pauseMs } = this.#options
    await this.#upload(true)
    while (talker.isTalking) {
      await delay(random.fraction() * pauseMs)
      if (!talker.isTalking) return
      await this.#one(random.fraction())
    }
  }

  async #one(choice: number): Promise<void> {
    const { talker, random, mates } = this.#options
    const roomId = talker.roomIds[Math.floor(random.fraction() * talker.roomIds.length)] ?? ''
    const others = mates(roomId)
    const mate = others[Math.floor(random.fraction() * others.length)]
    if (choice < 0.3) return this.#read(roomId)
    if (choice < 0.6) return this.#setMood(roomId)
    if (mate === undefined) return
    if (choice < 0.85) await this.#whisper(mate)
    else if (choice < 0.96) await this.#claim(mate)
    else await this.#upload(false)
  }

  async #read(roomId: string): Promise<void> {
    const { talker } = this.#options
    const newest = talker.newest(roomId)
    if (newest !== undefined) await talker.read(roomId, newest)
  }

  async #setMood(roomId: string): Promise<void> {
    const { talker } = this.#options
    const body = `${talker.userId} feels ${this.#made++}`
    const who = encodeURIComponent(talker.userId)
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/state/${moodType}/${who}`
    await talker.post({ roomId, txnId: '', body }, { method: 'PUT', path, body: { body } })
  }

  async #whisper(mate: MatrixUser): Promise<void> {
    const { talker } = this.#options
    const body = `${talker.userId} whispers ${this.#made++}`
    const path = `/_matrix/client/v3/sendToDevice/${whisperType}/${talker.user.nextTxn()}`
    const messages = { [mate.userId]: { [mate.deviceId]: { body } } }
    await talker.persist({ method: 'PUT', path, body: { messages } })
    this.whispers.push({ to: mate.userId, text: `${whisperType} ${body}` })
  }

  async #claim(mate: MatrixUser): Promise<void> {
    const path = '/_matrix/client/v3/keys/claim'
    const wanted = { one_time_keys: { [mate.userId]: { [mate.deviceId]: keyAlgorithm } } }
    const { body } = await this.#options.talker.persist<{
      one_time_keys: Record<string, Record<string, Record<string, unknown>>>
    }>({ method: 'POST', path, body: wanted })
    const keys = Object.keys(body.one_time_keys[mate.userId]?.[mate.deviceId] ?? {})
    this.claims.push(...keys.map((key) => `${key} of ${mate.userId}`))
  }

  /** Uploads new one-time keys, the first time with the device's own. A repeated upload is the same keys again. */
  async #upload(first: boolean): Promise<void> {
    const { talker } = this.#options
    const { userId, deviceId } = talker.user
    const signer = { userId, keyId: `ed25519:${deviceId}`, key: this.#key }
    const keys = Array.from({ length: keysAtOnce }, () => {
      const id = `${keyAlgorithm}:K${this.#keys++}`
      return [id, signedBy({ key: makeKey().publicKey }, signer)]
    })
    const own = first ? { device_keys: deviceKeys(userId, deviceId, this.#key) } : {}
    const body = { ...own, one_time_keys: Object.fromEntries(keys) }
    await talker.persist({ method: 'POST', path: '/_matrix/client/v3/keys/upload', body })
  }
}
