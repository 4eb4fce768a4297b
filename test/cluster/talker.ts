/**
 * One client of a crowd: it sends messages with transaction ids that it repeats until they are acknowledged, and syncs with its token
 * all the while, closing every gap by /messages. It keeps what it did and what it was told. Where its server does not answer at all it goes
 * to the next one that it knows, with the same token.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '#actors/runtime/clock.ts'
import type { MatrixUser, RoomEvent, SyncBody } from '../support/matrix.ts'
import type { Ear, Send, StateSeen, Timeline } from './history.ts'
import { persist, type Call, type Failure, type Persisted, type Persistence } from './persistence.ts'

export interface TalkerOptions {
  readonly user: MatrixUser
  /** Rooms in which it talks; it has joined them. */
  readonly roomIds: readonly string[]
  /** Others who are in a room, for mentions. */
  readonly mates?: (roomId: string) => readonly MatrixUser[]
  /** Servers to go to when one does not answer; absent: the user's alone. */
  readonly urls?: readonly string[]
  readonly random: Random
  /** Longest pause between two messages, milliseconds. */
  readonly thinkMs: number
  /** Share of messages that it sends again after they were acknowledged, as if the answer had been lost. */
  readonly repeats: number
  /** Ends everything at once. */
  readonly signal: AbortSignal
  /** How long a request is repeated in vain before the client gives up, milliseconds. */
  readonly patienceMs?: number
}

interface Messages {
  readonly chunk: readonly RoomEvent[]
  readonly end?: string
}

// So few that a burst makes a gap.
const timelineLimit = 4
const syncFilter = JSON.stringify({ room: { timeline: { limit: timelineLimit } } })
const longPollMs = 2000
// Longer than a server may take to say that it cannot.
const attemptMs = 15_000
const defaultPatienceMs = 40_000
const mentionShare = 0.2
/** In a run that lasts long, older ones are forgotten. */
const keptFailures = 5000

export class Talker {
  readonly sends: Send[] = []
  readonly roomIds: readonly string[]
  readonly failures: Failure[] = []
  /** Per room: when the last acknowledged attempt to send began. */
  readonly sentAtMs = new Map<string, number>()
  /** When the last sync that was answered began. */
  syncedAtMs = -Infinity
  readonly user: MatrixUser
  readonly #options: TalkerOptions
  readonly #timelines = new Map<string, string[]>()
  /** What stands in the timelines. */
  readonly #known = new Set<string>()
  readonly #unread = new Map<
    string,
    { readonly notification_count: number; readonly highlight_count: number }
  >()
  readonly #states = new Map<string, Map<string, string>>()
  readonly #readTo = new Map<string, string>()
  readonly #heard: string[] = []
  #since: string | undefined
  #talking = true
  #listening = true

  constructor(options: TalkerOptions) {
    this.#options = options
    this.user = options.user
    this.roomIds = options.roomIds
  }

  get userId(): string {
    return this.user.userId
  }

  /** Whether it has not been told to be silent. */
  get isTalking(): boolean {
    return this.#talking
  }

  get timelines(): Timeline[] {
    return this.roomIds.map((roomId) => ({
      client: this.userId,
      roomId,
      eventIds: this.#timelines.get(roomId) ?? [],
      notifications: this.#unread.get(roomId)?.notification_count,
      highlights: this.#unread.get(roomId)?.highlight_count,
      readTo: this.#readTo.get(roomId),
    }))
  }

  get ear(): Ear {
    return { client: this.userId, heard: this.#heard }
  }

  /** When its last sync that was answered began, and its token, for people. */
  syncAge(): string {
    return `${(performance.now() - this.syncedAtMs).toFixed(0)} ms ago at ${this.user.url}, now at ${this.#since}`
  }

  /** Sends until `hush`. Rejects when the server refuses what it must accept. */
  async talk(): Promise<void> {
    const { random, repeats, thinkMs } = this.#options
    while (this.#talking) {
      await delay(random.fraction() * thinkMs)
      if (!this.#talking) return
      const roomId = this.roomIds[Math.floor(random.fraction() * this.roomIds.length)] ?? ''
      await this.say(roomId, random.fraction() < repeats)
    }
  }

  /** Ends `talk` when the message under way is acknowledged. */
  hush(): void {
    this.#talking = false
  }

  /** Syncs until `leave`, and once more then. Rejects when the server refuses what it must accept. */
  async listen(): Promise<void> {
    while (this.#listening) await this.#sync(longPollMs)
    await this.#sync(0)
  }

  /** Ends `listen` after the sync under way and one more, which has everything that was there by now. */
  leave(): void {
    this.#listening = false
  }

  /** Whether it has been told of all these events. */
  knows(eventIds: readonly string[]): boolean {
    return eventIds.every((eventId) => this.#known.has(eventId))
  }

  /** The newest event of a room that it has been told of. */
  newest(roomId: string): string | undefined {
    return this.#timelines.get(roomId)?.at(-1)
  }

  /** Sends a message until it is acknowledged, and once more if it is to be repeated. Returns its event id. */
  async say(roomId: string, repeated = false): Promise<string> {
    const txnId = this.user.nextTxn()
    const body = `${this.userId} says ${txnId}`
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${txnId}`
    const content = { msgtype: 'm.text', body, ...this.#mentions(roomId) }
    return this.post({ roomId, txnId, body }, { method: 'PUT', path, body: content }, repeated)
  }

  /** Makes the request for an event until it is acknowledged, and keeps what came of it. */
  async post(what: Pick<Send, 'roomId' | 'txnId' | 'body'>, call: Call, repeated = false): Promise<string> {
    const { userId, deviceId } = this.user
    const intent = { userId, deviceId, ...what, invokedAtMs: performance.now(), eventIds: [] }
    const index = this.sends.push(intent) - 1
    const first = await this.persist<{ event_id: string }>(call)
    const sent = { ...intent, returnedAtMs: performance.now(), eventIds: [first.body.event_id] }
    this.sends[index] = sent
    this.sentAtMs.set(what.roomId, first.attemptedAtMs)
    if (repeated) {
      const again = await this.persist<{ event_id: string }>(call)
      this.sends[index] = { ...sent, eventIds: [first.body.event_id, again.body.event_id] }
    }
    return first.body.event_id
  }

  /** Says that it has read a room up to an event, until that is acknowledged. */
  async read(roomId: string, eventId: string): Promise<void> {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/receipt/m.read/${encodeURIComponent(eventId)}`
    await this.persist({ method: 'POST', path, body: {} })
    this.#readTo.set(roomId, eventId)
  }

  /** The state of its rooms, as it has it and as it is served. */
  states(): Promise<StateSeen[]> {
    return Promise.all(
      this.roomIds.map(async (roomId) => {
        const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/state`
        const { body } = await this.persist<RoomEvent[]>({ method: 'GET', path })
        const served = new Map(body.map((event) => [entryOf(event), event.event_id]))
        return { client: this.userId, roomId, folded: this.#states.get(roomId) ?? new Map(), served }
      }),
    )
  }

  /** Makes a request until it is answered with 200. */
  persist<T>(call: Call): Promise<Persisted<T>> {
    return persist<T>(this.user, call, this.#persistence())
  }

  #persistence(): Persistence {
    const { random, signal, patienceMs = defaultPatienceMs } = this.#options
    return {
      limitMs: patienceMs,
      attemptMs,
      pauseMs: () => 30 + random.fraction() * 70,
      signal,
      onFailure: (failure) => this.#failed(failure),
    }
  }

  #failed(failure: Failure): void {
    this.failures.push(failure)
    if (this.failures.length > 2 * keptFailures) this.failures.splice(0, keptFailures)
    const { urls = [] } = this.#options
    if (failure.status !== undefined || urls.length === 0 || this.user.url !== failure.url) return
    this.user.url = urls[(urls.indexOf(failure.url) + 1) % urls.length] ?? failure.url
  }

  #mentions(roomId: string): object {
    const { mates, random } = this.#options
    if (mates === undefined || random.fraction() >= mentionShare) return {}
    const others = mates(roomId)
    const mentioned = others[Math.floor(random.fraction() * others.length)]
    return mentioned === undefined ? {} : { 'm.mentions': { user_ids: [mentioned.userId] } }
  }

  async #sync(timeoutMs: number): Promise<void> {
    const query = new URLSearchParams({ timeout: String(timeoutMs), filter: syncFilter })
    if (this.#since !== undefined) query.set('since', this.#since)
    const path = `/_matrix/client/v3/sync?${query.toString()}`
    const { body, attemptedAtMs } = await this.persist<SyncBody>({ method: 'GET', path })
    await this.#apply(body)
    this.#since = body.next_batch
    this.syncedAtMs = attemptedAtMs
  }

  async #apply(body: SyncBody): Promise<void> {
    for (const { type, content } of body.to_device?.events ?? [])
      this.#heard.push(`${type} ${String(content['body'])}`)
    for (const [roomId, room] of Object.entries(body.rooms?.join ?? {})) {
      const { state, timeline, unread_notifications: unread } = room
      if (unread !== undefined) this.#unread.set(roomId, unread)
      const entries = this.#states.getOrInsertComputed(roomId, () => new Map<string, string>())
      for (const event of [...(state?.events ?? []), ...(timeline?.events ?? [])]) {
        if (event.state_key !== undefined) entries.set(entryOf(event), event.event_id)
      }
      if (timeline === undefined) continue
      const gap =
        timeline.limited === true && timeline.prev_batch !== undefined
          ? await this.#fill(roomId, timeline.prev_batch)
          : []
      const known = this.#timelines.getOrInsertComputed(roomId, () => [])
      for (const eventId of [...gap, ...timeline.events.map((event) => event.event_id)]) {
        known.push(eventId)
        this.#known.add(eventId)
      }
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
      const { body }: { body: Messages } = await this.persist<Messages>({ method: 'GET', path })
      newestFirst.push(...body.chunk.map((event) => event.event_id))
      from = body.end
    }
    return newestFirst.toReversed()
  }
}

function entryOf(event: RoomEvent): string {
  return `${event.type} ${event.state_key}`
}
