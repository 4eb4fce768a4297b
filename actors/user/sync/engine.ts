/**
 * `/sync` for one user: one activation serves all of his devices. Client-server API v1.19, "Syncing".
 *
 *   request ─► a waiter is made ─► heads ─► own rows up to them ─► rooms: rings or Postgres ─► something to tell? ─► text
 *                   ▲                                                                              │ no
 *                   └────────── woken by the feed, a hint, or the time being over ◄────────────────┘
 */

import type { UserId } from '#protocol/ids/user-id.ts'
import { formatSyncToken, type SyncToken } from '#protocol/tokens/sync-token.ts'
import type { LogEntry } from '#storage/entry.ts'
import type { ActorContext, Caller, EphemeralEvent, ReplyWithBody } from '../../runtime/contract.ts'
import type { SyncRequest } from '../messages.ts'
import type { OwnState } from '../own-state.ts'
import { type Answer, answer, type Cover, type UserView } from './answer.ts'
import { CarriedRows } from './carried.ts'
import { DeviceMemory } from './device-memory.ts'
import { reportSync } from './events.ts'
import type { SyncHost, SyncListener } from './host.ts'
import { planOf, type SyncPlan } from './request.ts'
import { isEmpty, responseText } from './response.ts'
import { OwnKeyChanges } from '#storage/sync/device-lists.ts'
import { type UserRoom, UserRooms } from '#storage/sync/user-rooms.ts'
import { Successions } from './successions.ts'
import { TypingChanges } from './typing.ts'
import { UnreadCounts } from './unread.ts'
import { deviceKeyOf, type Viewer } from './viewer.ts'
import { Waiters } from './waiters.ts'

export interface UserSyncOptions {
  readonly host: SyncHost
  readonly context: ActorContext
  readonly userId: UserId
  readonly own: OwnState
}

/** A client is told at the latest after so long, whatever it asks for. Milliseconds. */
const maxWaitMs = 60_000
const maxDevices = 200

export class UserSync implements UserView, SyncListener {
  readonly host: SyncHost
  readonly own: OwnState
  readonly shard: number
  readonly rooms = new UserRooms()
  readonly unread: UnreadCounts
  readonly typing: TypingChanges
  /** Of the rooms that are listened to. */
  readonly covers = new Map<string, Cover>()
  readonly keyChanges: OwnKeyChanges
  accountDataChangedAt = 0
  readonly #context: ActorContext
  readonly #userId: UserId
  readonly #carried: CarriedRows
  readonly #waiters = new Waiters()
  readonly #devices = new Map<string, DeviceMemory>()
  readonly #successions = new Successions()
  readonly #leave: () => void
  #loaded = false
  #disposed = false

  constructor(options: UserSyncOptions) {
    this.host = options.host
    this.own = options.own
    this.shard = options.context.shard
    this.unread = new UnreadCounts(options.host, options.userId)
    this.typing = new TypingChanges(options.context.random)
    this.#context = options.context
    this.#userId = options.userId
    this.keyChanges = new OwnKeyChanges(options.userId)
    const { epoch, shard } = options.context
    const { userId } = options
    this.#carried = new CarriedRows(options.host, { userId, shard, epoch }, (entry) => this.#apply(entry))
    this.#leave = options.host.addUser(options.userId, this)
  }

  /** How many requests wait for something to happen. */
  get waiting(): number {
    return this.#waiters.waiting
  }

  /**
   * Answers at once when there is something to tell, or else as soon as there is, or when the time is over. Throws M_INVALID_PARAM for a
   * token or a filter that is none, and what Postgres throws.
   */
  async sync(request: SyncRequest, caller: Caller): Promise<ReplyWithBody> {
    const { clock } = this.#context
    const deadline = clock.monotonic() + Math.min(request.timeoutMs, maxWaitMs)
    if (!this.#loaded) await this.#load()
    const plan = planOf(request, this.host.filters, this.#carried.incarnation)
    const memory = this.#memoryOf(plan.deviceId)
    memory.confirm(request.since)
    this.#acknowledge(plan)
    let since = plan.since === 'foreign' ? undefined : plan.since
    for (let round = 0; ; round++) {
      using waiter = this.#waiters.add()
      const startedAt = clock.monotonic()
      const found = await this.#attempt(plan, since, memory)
      const remaining = deadline - clock.monotonic()
      const isDue = remaining <= 0 || caller.signal.aborted || plan.fullState
      if (found.since === undefined || found.says || isDue) {
        this.#report(found, round, clock.monotonic() - startedAt)
        return this.#reply(found, memory)
      }
      const woken = await waiter.wait(clock, remaining, caller.signal)
      if (this.#disposed) throw this.#context.signal.reason ?? new Error('the activation has ended')
      // Whoever has not been woken has missed nothing.
      if (!woken) return this.#reply(found, memory)
      // Nothing lies between: the next look begins where this one ended.
      since = found.token
    }
  }

  /** A room's owner says that the user's membership changed: whoever waits looks again, whether the feed has told him or not. */
  onMembershipHint(hint: { readonly shard: number; readonly pos: number }): void {
    if (hint.pos > this.#carried.carriedTo(hint.shard)) this.#carried.broken(hint.shard)
    this.#waiters.wakeAll()
  }

  /** Something that only the user's actor knows has changed, such as how many one-time keys are left. */
  poke(): void {
    this.#waiters.wakeAll()
  }

  /** Stores what is worth it and lets go of everything. Whoever waits is sent to ask again. */
  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#storeUnread()
    this.#leave()
    for (const room of this.#listening()) this.host.unlisten(room, this)
    this.#waiters.wakeAll()
  }

  // What the host tells.

  ownRow(entry: LogEntry): void {
    this.#carried.take(entry)
  }

  roomRow(entry: LogEntry): void {
    const cover = entry.roomId === undefined ? undefined : this.covers.get(entry.roomId)
    if (cover !== undefined && entry.pos > cover.lastPos) cover.lastPos = entry.pos
  }

  typingChanged(event: EphemeralEvent): void {
    this.typing.changed(event.roomId)
  }

  broken(shard: number): void {
    this.#carried.broken(shard)
    for (const [roomId, cover] of this.covers)
      if (this.rooms.get(roomId)?.shard === shard) cover.from = undefined
    this.#waiters.wakeAll()
  }

  wake(): void {
    this.#waiters.wakeAll()
  }

  // Carrying the user's own rows.

  async #load(): Promise<void> {
    const { positions } = await this.#carried.readHeads()
    // Rows of this kind have not been looked at so far.
    this.accountDataChangedAt = Math.max(this.accountDataChangedAt, positions[this.shard] ?? 0)
    this.#loaded = true
    this.#listen()
  }

  #apply(entry: LogEntry): void {
    if (entry.kind === 'accountData')
      this.accountDataChangedAt = Math.max(this.accountDataChangedAt, entry.pos)
    this.keyChanges.apply(entry)
    this.#successions.apply(entry)
    this.rooms.apply(entry)
    if (
      entry.membership !== undefined &&
      entry.membership !== entry.prevMembership &&
      entry.roomId !== undefined
    ) {
      if (entry.membership !== 'join') this.unread.forget(entry.roomId)
      if (this.#loaded) this.#listenTo(this.rooms.get(entry.roomId))
    }
  }

  #listen(): void {
    for (const room of this.rooms.values()) this.#listenTo(room)
  }

  /** Listens to the rooms that the user is in, and to no others. */
  #listenTo(room: UserRoom | undefined): void {
    if (room === undefined || this.#disposed) return
    const isIn = room.changes.at(-1)?.membership === 'join'
    if (isIn === this.covers.has(room.roomId)) return
    if (isIn) {
      this.covers.set(room.roomId, { lastPos: 0, from: undefined })
      this.host.listen(room, this)
    } else {
      this.covers.delete(room.roomId)
      this.host.unlisten(room, this)
    }
  }

  #listening(): UserRoom[] {
    return Array.from(this.covers.keys()).flatMap((roomId) => this.rooms.get(roomId) ?? [])
  }

  /** From now on the last row of each room is known by what the feed tells, where the room's ring has been established. */
  async #cover(): Promise<void> {
    const unknown: number[] = []
    for (const [roomId, cover] of this.covers) {
      const roomNid = this.rooms.get(roomId)?.roomNid
      if (cover.from !== undefined || roomNid === undefined) continue
      unknown.push(roomNid)
      const heardTo = this.host.heardTo(roomNid)
      if (heardTo < 0) continue
      cover.from = heardTo
      cover.lastPos = Math.max(cover.lastPos, heardTo)
    }
    if (unknown.length > 0) await this.host.rooms.load(unknown)
  }

  // One look.

  async #attempt(plan: SyncPlan, from: SyncToken | undefined, memory: DeviceMemory): Promise<Found> {
    const { heads, since } = await this.#positions(plan, from)
    await this.#cover()
    this.#carryOver()
    const viewer = await this.#viewer(plan)
    const given = await answer(this, { plan, viewer, memory, since, heads })
    const token = {
      incarnation: this.#carried.incarnation,
      positions: heads,
      toDevice: given.toDevice,
      activation: given.typing,
    }
    const { parts } = given
    const says = !isEmpty(parts) || (memory.counts !== undefined && memory.counts !== parts.keyCounts)
    return { answer: given, since, token, says }
  }

  #carryOver(): void {
    const successions = this.#successions.take()
    if (successions.length > 0) this.own.carryOver(successions)
  }

  /** The heads to answer up to, and the token unless it is of another time. No component of a token ever decreases. */
  async #positions(
    plan: SyncPlan,
    from: SyncToken | undefined,
  ): Promise<{ readonly heads: readonly number[]; readonly since: SyncToken | undefined }> {
    const known = this.#carried.headsInMemory()
    if (known !== undefined && from !== undefined && plan.timeoutMs > 0 && isAtMost(from.positions, known)) {
      return { heads: known, since: from }
    }
    const { positions } = await this.#carried.readHeads()
    // A token above the committed heads is of a database that is no more.
    const isForeign = from === undefined || !isAtMost(from.positions, positions)
    return { heads: positions, since: isForeign ? undefined : from }
  }

  async #viewer(plan: SyncPlan): Promise<Viewer> {
    const [ignored, rules] = await Promise.all([this.own.ignoredUsers(), this.own.pushRules()])
    const { deviceId, filter } = plan
    const userId = this.#userId
    return { userId, deviceId, deviceKey: deviceKeyOf(userId, deviceId), ignored, rules, filter }
  }

  #reply(found: Found, memory: DeviceMemory): ReplyWithBody {
    const { parts } = found.answer
    const nextBatch = formatSyncToken(found.token)
    memory.counts = parts.keyCounts
    memory.close(nextBatch)
    // Later, for a reply waits for every decision made before it.
    if (this.unread.isWorthStoring) this.#context.clock.after(0, () => this.#storeUnread())
    return { head: {}, body: responseText(parts, nextBatch) }
  }

  #memoryOf(deviceId: string): DeviceMemory {
    if (this.#devices.size >= maxDevices) this.#devices.clear()
    return this.#devices.getOrInsertComputed(deviceId, () => new DeviceMemory())
  }

  /** Messages are deleted only by a position that this incarnation gave, in the token that the device shows here. */
  #acknowledge(plan: SyncPlan): void {
    if (plan.since === undefined || plan.since === 'foreign' || plan.since.toDevice === 0) return
    this.own.acknowledgeToDevice(plan.deviceId, plan.since.toDevice)
  }

  #storeUnread(): void {
    if (this.#context.signal.aborted) return
    const counts = this.unread.takeUnstored()
    if (counts.length === 0) return
    const writes = this.#context.writes()
    for (const { roomId, pos, counts: text } of counts) {
      writes.put('unread', { user_id: this.#userId, room_id: roomId, pos, counts: text })
    }
    // Whoever fails to store them counts from further back the next time.
    this.#context.decide({ writes, entries: [] }).catch(() => {})
  }

  #report({ answer: given, since }: Found, round: number, ms: number): void {
    const source = given.fromDatabase ? 'database' : 'rings'
    reportSync({ what: since === undefined ? 'initial' : round > 0 ? 'wake' : source, ms })
  }
}

interface Found {
  readonly answer: Answer
  /** From where on the answer tells; undefined: everything. */
  readonly since: SyncToken | undefined
  readonly token: SyncToken
  /** Whether there is anything but the token. */
  readonly says: boolean
}

function isAtMost(positions: readonly number[], heads: readonly number[]): boolean {
  if (positions.length !== heads.length) return false
  for (let shard = 0; shard < heads.length; shard++)
    if ((positions[shard] ?? 0) > (heads[shard] ?? 0)) return false
  return true
}
