/**
 * One client of a crowd: it sends messages with transaction ids that it repeats until they are acknowledged, and syncs with its token
 * all the while, closing every gap by /messages. It keeps what it did and what it was told.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '#actors/runtime/clock.ts'
import type { MatrixUser, RoomEvent, SyncBody } from '../support/matrix.ts'
import type { Send, Timeline } from './history.ts'
import { persist, type Persistence } from './persistence.ts'

export interface TalkerOptions {
  readonly user: MatrixUser
  /** Rooms in which it talks; it has joined them. */
  readonly roomIds: readonly string[]
  readonly random: Random
  /** Longest pause between two messages, milliseconds. */
  readonly thinkMs: number
  /** Share of messages that it sends again after they were acknowledged, as if the answer had been lost. */
  readonly repeats: number
  /** Ends everything at once. */
  readonly signal: AbortSignal
}

interface Messages {
  readonly chunk: readonly RoomEvent[]
  readonly end?: string
}

// So few that a burst makes a gap.
const timelineLimit = 4
const syncFilter = JSON.stringify({ room: { timeline: { limit: timelineLimit } } })
const longPollMs = 2000
const attemptMs = 6000
const patienceMs = 40_000

export class Talker {
  readonly sends: Send[] = []
  readonly roomIds: readonly string[]
  /** Per room: when the last acknowledged attempt to send began. */
  readonly sentAtMs = new Map<string, number>()
  /** When the last sync that was answered began. */
  syncedAtMs = -Infinity
  readonly #user: MatrixUser
  readonly #options: TalkerOptions
  readonly #timelines = new Map<string, string[]>()
  readonly #notifications = new Map<string, number>()
  #since: string | undefined
  #talking = true
  #listening = true

  constructor(options: TalkerOptions) {
    this.#options = options
    this.#user = options.user
    this.roomIds = options.roomIds
  }

  get userId(): string {
    return this.#user.userId
  }

  get timelines(): Timeline[] {
    return this.roomIds.map((roomId) => ({
      client: this.#user.userId,
      roomId,
      eventIds: this.#timelines.get(roomId) ?? [],
      notifications: this.#notifications.get(roomId),
    }))
  }

  /** Sends until `hush`. Rejects when the server refuses what it must accept. */
  async talk(): Promise<void> {
    while (this.#talking) {
      await delay(this.#options.random.fraction() * this.#options.thinkMs)
      await this.#sendOne()
    }
  }

  /** Ends `talk` when the message under way is acknowledged. */
  hush(): void {
    this.#talking = false
  }

  /** Syncs until `leave`. Rejects when the server refuses what it must accept. */
  async listen(): Promise<void> {
    while (this.#listening) {
      const query = new URLSearchParams({ timeout: String(longPollMs), filter: syncFilter })
      if (this.#since !== undefined) query.set('since', this.#since)
      const { body, attemptedAtMs } = await this.#get<SyncBody>(`/_matrix/client/v3/sync?${query.toString()}`)
      await this.#apply(body)
      this.#since = body.next_batch
      this.syncedAtMs = attemptedAtMs
    }
  }

  /** Ends `listen` after the sync under way. */
  leave(): void {
    this.#listening = false
  }

  /** Whether it has been told of all these events. */
  knows(roomId: string, eventIds: readonly string[]): boolean {
    const known = new Set(this.#timelines.get(roomId))
    return eventIds.every((eventId) => known.has(eventId))
  }

  async #sendOne(): Promise<void> {
    const { random, repeats } = this.#options
    const roomId = this.roomIds[Math.floor(random.fraction() * this.roomIds.length)] ?? ''
    const txnId = this.#user.nextTxn()
    const body = `${this.#user.userId} says ${txnId}`
    const { userId, deviceId } = this.#user
    const intent = { userId, deviceId, roomId, txnId, body, invokedAtMs: performance.now(), eventIds: [] }
    const index = this.sends.push(intent) - 1
    const first = await this.#put(intent)
    const sent = { ...intent, returnedAtMs: performance.now(), eventIds: [first.eventId] }
    this.sends[index] = sent
    this.sentAtMs.set(roomId, first.attemptedAtMs)
    if (random.fraction() >= repeats) return
    const again = await this.#put(intent)
    this.sends[index] = { ...sent, eventIds: [first.eventId, again.eventId] }
  }

  async #put(intent: Send): Promise<{ readonly eventId: string; readonly attemptedAtMs: number }> {
    const { roomId, txnId, body } = intent
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${txnId}`
    const call = { method: 'PUT', path, body: { msgtype: 'm.text', body } }
    const answer = await persist<{ event_id: string }>(this.#user, call, this.#persistence())
    return { eventId: answer.body.event_id, attemptedAtMs: answer.attemptedAtMs }
  }

  #get<T>(path: string): ReturnType<typeof persist<T>> {
    return persist<T>(this.#user, { method: 'GET', path }, this.#persistence())
  }

  #persistence(): Persistence {
    const { random, signal } = this.#options
    return { limitMs: patienceMs, attemptMs, pauseMs: () => 50 + random.fraction() * 150, signal }
  }

  async #apply(body: SyncBody): Promise<void> {
    for (const [roomId, { timeline, unread_notifications: unread }] of Object.entries(
      body.rooms?.join ?? {},
    )) {
      if (unread !== undefined) this.#notifications.set(roomId, unread.notification_count)
      if (timeline === undefined) continue
      const gap =
        timeline.limited === true && timeline.prev_batch !== undefined
          ? await this.#fill(roomId, timeline.prev_batch)
          : []
      const known = this.#timelines.get(roomId) ?? []
      known.push(...gap, ...timeline.events.map((event) => event.event_id))
      this.#timelines.set(roomId, known)
    }
  }

  /** What lies between the last sync and this one, oldest first; at the first sync everything. */
  async #fill(roomId: string, prevBatch: string): Promise<string[]> {
    const newestFirst: string[] = []
    let from: string | undefined = prevBatch
    while (from !== undefined) {
      const query = new URLSearchParams({ dir: 'b', from, limit: '50' })
      if (this.#since !== undefined) query.set('to', this.#since)
      const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/messages?${query.toString()}`
      const { body }: { body: Messages } = await this.#get<Messages>(path)
      newestFirst.push(...body.chunk.map((event) => event.event_id))
      from = body.end
    }
    return newestFirst.toReversed()
  }
}
