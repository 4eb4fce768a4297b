/**
 * A client: it syncs again and again through whatever process it reaches, folds what it is told into what it knows, and complains at
 * once of what cannot be: an event that is not committed, that came before, or that leaves a gap; a token that goes back.
 */

import type { JsonObject } from '#protocol/json/types.ts'
import { parseSyncToken, type SyncToken } from '#protocol/tokens/sync-token.ts'
import { eventsOf, membershipChanges, membershipOf, staleMs, type LoggedEvent } from './truth.ts'
import { checkTyping } from './typing.ts'
import type { World } from './world.ts'

/** The parts of a response that the client looks at. */
interface SyncResponse {
  readonly next_batch: string
  readonly rooms?: {
    readonly join?: Readonly<Record<string, JoinedRoom>>
    readonly invite?: Readonly<Record<string, unknown>>
    readonly leave?: Readonly<Record<string, unknown>>
  }
  readonly to_device?: { readonly events: readonly { readonly content: { readonly n: number } }[] }
  readonly account_data?: {
    readonly events: readonly { readonly type: string; readonly content: JsonObject }[]
  }
  readonly device_lists?: { readonly changed?: readonly string[]; readonly left?: readonly string[] }
}

interface ClientEvent {
  readonly event_id: string
  readonly type: string
  readonly state_key?: string
}

interface JoinedRoom {
  readonly timeline: { readonly events: readonly ClientEvent[]; readonly limited?: boolean }
  readonly state?: { readonly events: readonly ClientEvent[] }
  readonly state_after?: { readonly events: readonly ClientEvent[] }
  readonly ephemeral?: { readonly events: readonly EphemeralEvent[] }
  readonly unread_notifications?: { readonly notification_count?: number }
}

type EphemeralEvent =
  | { readonly type: 'm.receipt'; readonly content: Receipts }
  | { readonly type: 'm.typing'; readonly content: { readonly user_ids: readonly string[] } }

type Receipts = Readonly<Record<string, { readonly 'm.read'?: Readonly<Record<string, unknown>> }>>

/** What the client knows of a room that its user is in. */
export interface KnownRoom {
  /** Index, in the room's log, of the last event that it has been told. */
  lastIndex: number
  readonly state: Map<string, string>
  /** User → event that he has read. */
  readonly receipts: Map<string, string>
  unread: number
}

/** Of a version that does not exist yet. */
const laterToken = `s${Buffer.from([9, 1, 2, 3]).toString('base64url')}`

export class Device {
  readonly userId: string
  readonly deviceId: string
  readonly joined = new Map<string, KnownRoom>()
  readonly invited = new Set<string>()
  /** Numbers of the to-device messages that came, ever, and since the client began. */
  readonly inbox = new Set<number>()
  readonly #recent = new Set<number>()
  readonly accountData = new Map<string, JsonObject>()
  /** Who types in a room as it was told last. It is not forgotten by itself: not with the room, nor when the room is told anew. */
  readonly typing = new Map<string, readonly string[]>()
  /** Whose devices it has been told to look at again, with the times. */
  readonly changedDevices: { readonly userId: string; readonly atMs: number }[] = []
  /** When it was told for the first time, and thus what it will be told changes of. */
  beganMs = Number.POSITIVE_INFINITY
  readonly #world: World
  readonly #stateAfter: boolean
  readonly #limit: number
  #since: string | undefined
  #token: SyncToken | undefined
  #stopped = false

  constructor(world: World, of: { userId: string; deviceId: string; stateAfter: boolean; limit: number }) {
    this.#world = world
    this.userId = of.userId
    this.deviceId = of.deviceId
    this.#stateAfter = of.stateAfter
    this.#limit = of.limit
  }

  get token(): SyncToken | undefined {
    return this.#token
  }

  get since(): string | undefined {
    return this.#since
  }

  get name(): string {
    return `${this.userId} ${this.deviceId}`
  }

  /** Whether there is an event in one of its rooms that it has not been told. */
  get isLate(): boolean {
    const { tables } = this.#world.server
    return [...this.joined].some(
      ([roomId, { lastIndex }]) =>
        membershipOf(tables, roomId, this.userId) === 'join' &&
        lastIndex < eventsOf(tables, roomId).length - 1,
    )
  }

  stop(): void {
    this.#stopped = true
  }

  /** Syncs until it is stopped. */
  async run(): Promise<void> {
    const { random } = this.#world
    await this.#world.sleep(random.fraction() * 500)
    while (!this.#stopped) {
      const { isSilent } = this.#world.network
      const waits = random.fraction() < 0.3 ? 0 : Math.floor(random.fraction() * 4000)
      // Whoever does not wait reads the heads himself, and so does whoever has been away.
      const timeoutMs = isSilent ? 4000 : waits
      // A failure says nothing of what was carried out; the same token is shown again.
      await this.sync(timeoutMs).catch((error: unknown) => this.#world.refused('sync', error))
      const isSwift = isSilent || random.fraction() < 0.5
      await this.#world.sleep(isSwift ? random.fraction() * 50 : random.fraction() * 2000)
    }
  }

  /** One sync. An answer may be lost on its way to the client, which does not know of it then. */
  async sync(timeoutMs: number): Promise<void> {
    const world = this.#world
    // A client that had another server's version for a while shows a token that this one has never heard of.
    const since = this.#since !== undefined && world.loses('version') ? laterToken : this.#since
    const request = {
      deviceId: this.deviceId,
      timeoutMs,
      fullState: false,
      useStateAfter: this.#stateAfter,
      filter: JSON.stringify({ room: { timeline: { limit: this.#limit } } }),
      ...(since !== undefined && { since }),
    }
    const invokedMs = world.kernel.nowMs
    const written = world.positionsWritten(this.userId)
    // The cast states what the actor replies with (`ReplyWithBody`).
    const reply = (await world.request((ask) =>
      ask.ask('user', this.userId, 'sync', request, { timeoutMs: timeoutMs + 6000 }),
    )) as unknown as { readonly body: string }
    if (world.loses('answer')) return
    const response = JSON.parse(reply.body) as SyncResponse
    world.trace(
      () =>
        `${this.name} synced (${timeoutMs} ms) from ${told(this.#since)} to ${told(response.next_batch)}: ${summaryOf(response)}`,
    )
    if (since === laterToken) {
      this.#token = undefined
      this.#beginAnew()
    }
    this.#takeToken(response.next_batch, { timeoutMs, invokedMs, written })
    this.#fold(response)
    this.beganMs = Math.min(this.beganMs, world.kernel.nowMs)
    this.#since = response.next_batch
  }

  #takeToken(
    text: string,
    asked: { timeoutMs: number; invokedMs: number; written: ReadonlyMap<number, number> },
  ): void {
    const world = this.#world
    const token = parseSyncToken(text)
    if (token === undefined) return world.found('token', `${this.name} was given what is no token`)
    const before = this.#token
    this.#token = token
    if (before === undefined) return
    if (before.incarnation !== token.incarnation || goesBack(before, token)) {
      // Until the first write a new server has no new incarnation, and what is above its heads is foreign to it.
      const isForeign =
        world.kernel.nowMs - world.lastFailOverMs < staleMs || before.incarnation !== token.incarnation
      if (!isForeign)
        world.found(
          'token',
          `${this.name}: ${String(before.positions)} goes back to ${String(token.positions)}`,
        )
      this.#beginAnew()
    }
    if (asked.timeoutMs > 0 || world.lastFailOverMs >= asked.invokedMs) return
    for (const [shard, pos] of asked.written)
      if ((token.positions[shard] ?? 0) < pos)
        world.found(
          'own writes',
          `${this.name} wrote shard ${shard} up to ${pos} and is told ${token.positions[shard]}`,
        )
  }

  /** The database has lost commits: what came before may come again or never have been. */
  #beginAnew(): void {
    this.#world.trace(() => `${this.name} begins anew`)
    this.#recent.clear()
    this.joined.clear()
    this.invited.clear()
    this.accountData.clear()
  }

  #fold(response: SyncResponse): void {
    const { join = {}, invite = {}, leave = {} } = response.rooms ?? {}
    for (const [roomId, room] of Object.entries(join)) this.#foldRoom(roomId, room)
    for (const roomId of Object.keys(invite)) {
      this.joined.delete(roomId)
      this.invited.add(roomId)
    }
    for (const roomId of Object.keys(leave)) {
      this.joined.delete(roomId)
      this.invited.delete(roomId)
    }
    for (const { content } of response.to_device?.events ?? []) {
      if (this.#recent.has(content.n))
        this.#world.found('C9', `${this.name}: message ${content.n} came twice`)
      this.#recent.add(content.n)
      this.inbox.add(content.n)
    }
    for (const { content, type } of response.account_data?.events ?? []) this.accountData.set(type, content)
    for (const userId of response.device_lists?.changed ?? [])
      this.changedDevices.push({ userId, atMs: this.#world.kernel.nowMs })
  }

  #foldRoom(roomId: string, update: JoinedRoom): void {
    this.invited.delete(roomId)
    const { events, limited = false } = update.timeline
    const known = this.joined.get(roomId)
    const room: KnownRoom = known ?? { lastIndex: -1, state: new Map(), receipts: new Map(), unread: 0 }
    this.joined.set(roomId, room)
    const log = eventsOf(this.#world.server.tables, roomId)
    this.#checkTimeline({ roomId, room, log, events, limited, isNew: known === undefined })
    const state = this.#stateAfter
      ? (update.state_after?.events ?? [])
      : [...(update.state?.events ?? []), ...events]
    // A room that is told anew is told whole.
    for (const event of state) {
      this.#checkCommitted(roomId, event, log)
      if (event.state_key !== undefined) room.state.set(`${event.type} ${event.state_key}`, event.event_id)
    }
    for (const event of update.ephemeral?.events ?? []) {
      if (event.type === 'm.typing') this.#foldTyping(roomId, event.content.user_ids)
      else
        for (const [eventId, kinds] of Object.entries(event.content))
          for (const userId of Object.keys(kinds['m.read'] ?? {})) readUpTo(room, log, { userId, eventId })
    }
    room.unread = update.unread_notifications?.notification_count ?? room.unread
  }

  #foldTyping(roomId: string, userIds: readonly string[]): void {
    this.#world.trace(() => `${this.name} is told that ${userIds.join() || 'nobody'} types in ${roomId}`)
    checkTyping(this.#world, { who: this.name, roomId, userIds })
    this.typing.set(roomId, userIds)
  }

  #checkTimeline(told: {
    roomId: string
    room: KnownRoom
    log: readonly LoggedEvent[]
    events: readonly ClientEvent[]
    limited: boolean
    isNew: boolean
  }): void {
    const { roomId, room, log, events, limited, isNew } = told
    const indexes = events.map((event) => this.#checkCommitted(roomId, event, log))
    if (indexes.includes(-1)) return
    const world = this.#world
    for (const [i, index] of indexes.entries()) {
      const before = i === 0 ? room.lastIndex : (indexes[i - 1] ?? -1)
      const isGap = i === 0 && (limited || isNew || room.lastIndex === -1)
      if (isGap ? index > before || isNew || limited : index === before + 1) continue
      const rule = index <= before ? 'C2' : 'C3'
      world.found(rule, `${this.name}: ${roomId} goes from event ${before} to ${index} of its log`)
    }
    const first = indexes[0]
    if (limited && first !== undefined && room.lastIndex >= 0 && first <= room.lastIndex + 1)
      this.#checkToldAnew(roomId, room, log)
    room.lastIndex = indexes.at(-1) ?? room.lastIndex
  }

  /** A room may be told again from before what is known only where the user's membership has changed since. */
  #checkToldAnew(roomId: string, room: KnownRoom, log: readonly LoggedEvent[]): void {
    const { tables } = this.#world.server
    // What is above the heads of a new server is foreign to it, before it has a new incarnation.
    if (this.#world.kernel.nowMs - this.#world.lastFailOverMs < staleMs) return
    const changed = membershipChanges(tables, roomId, this.userId).at(-1)?.pos ?? 0
    const knownPos = log[room.lastIndex]?.record.pos ?? 0
    if (changed <= knownPos)
      this.#world.found('token', `${this.name}: ${roomId} is told anew without a reason`)
  }

  /** The event's index in the log of its room; one that is not there must have been lost by the database. */
  #checkCommitted(roomId: string, event: ClientEvent, log: readonly LoggedEvent[]): number {
    const index = log.findIndex((one) => one.eventId === event.event_id)
    if (index === -1 && !this.#world.lostEvents.has(event.event_id))
      this.#world.found(
        'uncommitted',
        `${this.name} was told of ${event.event_id} in ${roomId}, which is not committed`,
      )
    return index
  }
}

/** Receipts move forward only, in whatever order they are told. */
function readUpTo(
  room: KnownRoom,
  log: readonly LoggedEvent[],
  receipt: { readonly userId: string; readonly eventId: string },
): void {
  const indexOf = (eventId: string | undefined): number => log.findIndex((event) => event.eventId === eventId)
  const known = room.receipts.get(receipt.userId)
  if (indexOf(known) <= indexOf(receipt.eventId)) room.receipts.set(receipt.userId, receipt.eventId)
}

function goesBack(before: SyncToken, token: SyncToken): boolean {
  if (token.toDevice < before.toDevice) return true
  return before.positions.some((pos, shard) => (token.positions[shard] ?? 0) < pos)
}

/** A token, for the trace. */
function told(text: string | undefined): string {
  const token = text === undefined ? undefined : parseSyncToken(text)
  return token === undefined
    ? 'nothing'
    : `${token.incarnation}:${token.positions.join('.')}/${token.toDevice}`
}

function summaryOf({ rooms, to_device: inbox }: SyncResponse): string {
  const joined = Object.entries(rooms?.join ?? {}).map(([roomId, { timeline }]) => {
    const count = `${timeline.events.length}${timeline.limited === true ? ' limited' : ''}`
    return `${roomId.slice(0, 5)} ${count}`
  })
  const others = [...Object.keys(rooms?.invite ?? {}), ...Object.keys(rooms?.leave ?? {})]
  return [
    ...joined,
    ...others.map((roomId) => `not ${roomId.slice(0, 5)}`),
    `${inbox?.events.length ?? 0} messages`,
  ].join(', ')
}
