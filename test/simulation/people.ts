/** What people do in a run, and the history of it: each request with its times and its outcome. */

import { MatrixError } from '#protocol/errors.ts'
import type { EventId } from '#protocol/ids/event-id.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import { txnKey } from '#storage/txn-key.ts'
import { checkSpread } from './check-answers.ts'
import { unstorable } from './model/commit-group.ts'
import type { Action } from './script.ts'
import { liveSession } from './session.ts'
import { eventsOf, membershipOf, type LoggedEvent } from './truth.ts'
import type { Entrance } from './cluster.ts'
import type { World } from './world.ts'

/** Virtual milliseconds for which somebody who insists asks at least. Longer than an answer may be lost and what bears it be sent again. */
const insistMs = 20_000

/** What became of something asked: `unknown` may have been carried out or not. */
export type Outcome = 'open' | 'done' | 'refused' | 'unknown'

type MembershipAction = Extract<Action, { kind: 'member' }>['action']

export interface Asked {
  readonly what:
    | 'send'
    | 'topic'
    | 'toDevice'
    | 'accountData'
    | 'profile'
    | 'deviceKeys'
    | 'claimKeys'
    | 'member'
    | 'forget'
    | 'receipt'
    | 'login'
    | 'logout'
    | 'typing'
  readonly userId: UserId
  readonly roomId: RoomId | undefined
  readonly invokedMs: number
  endedMs: number
  /** Whether it was asked again until there was an answer. */
  insists: boolean
  outcome: Outcome
  /** Ids of the events that it was answered with. */
  readonly eventIds: string[]
  /** Names the effect: a transaction, a message's number, the value set, the milliseconds for which somebody types. */
  readonly key: string
}

const attempts = 12
/** One more than `toDevicePage` of the sync, and some. */
const floodSize = 104
/** They come over so long a time. Milliseconds. */
const floodMs = 300
/** Whoever has parted comes back within so long. Milliseconds. */
const comebackMs = 1500
/** How often somebody wants to forget a room that he has not left. */
const hasty = 0.25
/** So many sessions begin together, and end each in its own way. */
const sessionsAtOnce = 3
const usersDevice = 'D0'
/** Of one-time keys. */
const keyAlgorithm = 'sim'

export class People {
  readonly history: Asked[] = []
  /** Who has asked for what the database refuses. */
  readonly poisoned = new Set<string>()
  /** One-time keys that somebody was given, and for which claim. */
  readonly #handedOut = new Map<string, { readonly claimKey: string; readonly askedMs: number }>()
  /** When the last request ended that was to store them. */
  readonly #uploadedMs = new Map<string, number>()
  readonly #world: World
  readonly #running: Promise<void>[] = []
  #isOver = false
  #made = 0

  constructor(world: World) {
    this.#world = world
  }

  /** Carries a step out; resolves when its outcome is known or it has been given up. */
  async act(action: Action): Promise<void> {
    const userId = this.#world.userOf(action.person)
    switch (action.kind) {
      case 'send':
        return this.#send(userId, action)
      case 'topic':
        return this.#topic(userId, action)
      case 'member':
        return this.#member(userId, action)
      case 'receipt':
        return this.#receipt(userId, action.room)
      case 'toDevice':
        await Promise.all([this.#toDevice(userId, action.target), this.#claimKey(action.target)])
        return
      case 'accountData':
        return this.#accountData(userId, action.value)
      case 'profile':
        return this.#profile(userId, action.value)
      case 'deviceKeys':
        return this.#deviceKeys(userId)
      case 'poison':
        await Promise.all([this.#poison(userId), this.#beside(userId)])
        return
      case 'parting':
        return this.#parting(userId, action.room)
      case 'flood': {
        const sending = Array.from({ length: floodSize }, async () => {
          await this.#world.sleep(this.#world.random.fraction() * floodMs)
          await this.#toDevice(userId, action.target)
        })
        await Promise.all(sending)
        return
      }
      case 'invitation':
        return this.#invitation(userId)
      case 'typing':
        return this.type(userId, this.#world.roomOf(action.room), action.ms)
      case 'forget':
        return this.#forget(userId, action.room)
      case 'session': {
        const living = Array.from({ length: sessionsAtOnce }, () =>
          liveSession(this.#world, this, userId, `S${this.#made++}`),
        )
        await Promise.all(living)
        return
      }
    }
  }

  async #send(sender: UserId, action: Extract<Action, { kind: 'send' }>): Promise<void> {
    const n = this.#made++
    const roomId = this.#world.roomOf(action.room)
    const txnId = `t${n}`
    const body = {
      sender,
      deviceId: usersDevice,
      txnId,
      type: 'm.room.message',
      content: { body: `m${n}`, msgtype: 'm.text' },
    }
    const key = txnKey({ roomId, userId: sender, deviceId: usersDevice }, txnId)
    const asked = this.#begin('send', { userId: sender, roomId, key })
    await this.#insist(asked, action.gaveUp ? 1 : attempts, async () => {
      const { eventId } = await this.#world.request((ask) =>
        ask.ask('room', roomId, 'send', body, { timeoutMs: 5000 }),
      )
      this.#answered(asked, eventId)
      // Whoever has had an answer may ask once more, if only to be sure.
      if (this.#world.loses('trust')) {
        const again = await this.#world.request((ask) =>
          ask.ask('room', roomId, 'send', body, { timeoutMs: 5000 }),
        )
        this.#answered(asked, again.eventId)
      }
    })
  }

  /** Whoever leaves sends something at the same moment: what he is answered rests on his leaving, or on what was before. */
  async #parting(userId: UserId, room: number): Promise<void> {
    const roomId = this.#world.roomOf(room)
    const owner = this.#world.ownerOf(roomId)
    const leaving = this.#membership(userId, { roomId, action: 'leave', target: userId }, owner)
    await this.#world.sleep(this.#world.random.fraction() * 2)
    const n = this.#made++
    const body = {
      sender: userId,
      deviceId: usersDevice,
      txnId: `t${n}`,
      type: 'm.room.message',
      content: { body: `m${n}`, msgtype: 'm.text' },
    }
    const key = txnKey({ roomId, userId, deviceId: usersDevice }, body.txnId)
    const asked = this.#begin('send', { userId, roomId, key })
    const sending = this.#insist(asked, 1, async () => {
      const { eventId } = await this.#world.request(
        (ask) => ask.ask('room', roomId, 'send', body, { timeoutMs: 5000 }),
        owner,
      )
      this.#answered(asked, eventId)
    })
    await Promise.all([leaving, sending])
    await this.#world.sleep(this.#world.random.fraction() * comebackMs)
    await this.#membership(userId, { roomId, action: 'join', target: userId })
  }

  async #invitation(target: UserId): Promise<void> {
    const { rooms, users, server } = this.#world
    const roomId = rooms.at(-1)
    if (roomId === undefined) return
    const membership = membershipOf(server.tables, roomId, target)
    const host = users.find((userId) => membershipOf(server.tables, roomId, userId) === 'join')
    if (membership === 'invite' || membership === 'join')
      return this.#membership(target, { roomId, action: 'leave', target })
    if (host !== undefined && host !== target)
      return this.#membership(host, { roomId, action: 'invite', target })
  }

  /** What others store at this moment through the owners of the shards, so that it goes together with what this one stores. */
  async #beside(userId: UserId): Promise<void> {
    const world = this.#world
    const others = world.users.filter((other) => other !== userId)
    await Promise.all([
      ...others.map((other) => this.#accountData(other, this.#made++, world.ownerOf(other))),
      ...world.rooms.map((roomId) =>
        this.#setTopic(userId, roomId, `topic ${this.#made++}`, world.ownerOf(roomId)),
      ),
    ])
  }

  #topic(sender: UserId, action: Extract<Action, { kind: 'topic' }>): Promise<void> {
    return this.#setTopic(sender, this.#world.roomOf(action.room), `topic ${action.value}`)
  }

  async #setTopic(sender: UserId, roomId: RoomId, topic: string, through?: Entrance): Promise<void> {
    const body = { sender, type: 'm.room.topic', stateKey: '', content: { topic } }
    const asked = this.#begin('topic', { userId: sender, roomId, key: topic })
    await this.#insist(asked, attempts, async () => {
      const { eventId } = await this.#world.request(
        (ask) => ask.ask('room', roomId, 'state', body, { timeoutMs: 5000 }),
        through,
      )
      this.#answered(asked, eventId)
    })
  }

  /** Gives every room another topic, through its owner, so that nobody else hears of it by the request. */
  touch(): void {
    if (this.#isOver) return
    const { tables } = this.#world.server
    for (const roomId of this.#world.rooms) {
      const sender = this.#world.users.find((userId) => membershipOf(tables, roomId, userId) === 'join')
      if (sender !== undefined)
        this.#go(this.#setTopic(sender, roomId, `topic ${this.#made++}`, this.#world.ownerOf(roomId)))
    }
  }

  /** Every owner has something to write. */
  stir(): void {
    this.touch()
    if (this.#isOver) return
    for (const userId of this.#world.users)
      this.#go(this.#accountData(userId, this.#made++, this.#world.ownerOf(userId)))
  }

  /** Everybody is asked for a key, by two who do not know of each other. */
  claimKeys(): void {
    if (this.#isOver) return
    for (const person of this.#world.users.keys())
      for (let i = 0; i < 2; i++) this.#go(this.#claimKey(person))
  }

  /** The topics of all rooms as they are now. */
  topics(): ReadonlyMap<RoomId, LoggedEvent> {
    const { rooms, server } = this.#world
    return new Map(
      rooms.flatMap((roomId) => {
        const topic = eventsOf(server.tables, roomId).findLast(({ type }) => type === 'm.room.topic')
        return topic === undefined ? [] : [[roomId, topic] as const]
      }),
    )
  }

  /** Asks one process for topics of before, in rooms that have another one now: that it is so already is not true. */
  probe(entrance: Entrance | undefined, topics: ReadonlyMap<RoomId, LoggedEvent>): void {
    if (this.#isOver || entrance === undefined) return
    const present = this.topics()
    for (const [roomId, before] of topics) {
      if (present.get(roomId)?.eventId === before.eventId) continue
      // The casts state what a stored event has.
      const { content } = JSON.parse(before.json) as { readonly content: { readonly topic: string } }
      const sender = before.sender as UserId
      const asked = this.#begin('topic', { userId: sender, roomId, key: content.topic })
      const body = { sender, type: 'm.room.topic', stateKey: '', content }
      this.#go(
        this.#insist(asked, 1, async () => {
          const { eventId } = await this.#world.request(
            (ask) => ask.ask('room', roomId, 'state', body, { timeoutMs: 5000 }),
            entrance,
          )
          this.#answered(asked, eventId)
        }),
      )
    }
  }

  /** Resolves when what was begun beside the script has come to an end. */
  async settled(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#running)
  }

  #go(work: Promise<void>): void {
    this.#running.push(work)
  }

  async #member(sender: UserId, action: Extract<Action, { kind: 'member' }>): Promise<void> {
    const roomId = this.#world.roomOf(action.room)
    const own = action.action === 'join' || action.action === 'leave'
    const target = own ? sender : this.#world.userOf(action.target)
    await this.#membership(sender, { roomId, action: action.action, target })
  }

  async #membership(
    sender: UserId,
    { roomId, action, target }: { roomId: RoomId; action: MembershipAction; target: UserId },
    through?: Entrance,
  ): Promise<void> {
    const body = { sender, target, action, profile: {} }
    const asked = this.#begin('member', { userId: sender, roomId, key: `${action} ${target}` })
    await this.#insist(asked, attempts, async () => {
      await this.#world.request(
        (ask) => ask.ask('room', roomId, 'membership', body, { timeoutMs: 5000 }),
        through,
      )
    })
  }

  /** Whoever has been answered that he has left may forget the room, whatever his own actor knew of it; whoever is in it may not. */
  async #forget(userId: UserId, room: number): Promise<void> {
    const { random } = this.#world
    const roomId = this.#world.roomOf(room)
    if (random.fraction() >= hasty)
      await this.#membership(userId, { roomId, action: 'leave', target: userId })
    const asked = this.#begin('forget', { userId, roomId, key: roomId })
    await this.#insist(asked, attempts, async () => {
      await this.#world.request((ask) => ask.ask('user', userId, 'forget', { roomId }, { timeoutMs: 5000 }))
    })
    await this.#world.sleep(random.fraction() * comebackMs)
    await this.#membership(userId, { roomId, action: 'join', target: userId })
  }

  /** Leaves a room that anybody may enter, and comes back. */
  async comeBack(userId: UserId, roomId: RoomId): Promise<void> {
    await this.#membership(userId, { roomId, action: 'leave', target: userId })
    await this.#membership(userId, { roomId, action: 'join', target: userId })
  }

  async #receipt(userId: UserId, room: number): Promise<void> {
    const roomId = this.#world.roomOf(room)
    const { tables } = this.#world.server
    const messages = eventsOf(tables, roomId).filter((event) => event.type === 'm.room.message')
    const event = messages.at(-1 - Math.floor(this.#world.random.fraction() * 3))
    if (event === undefined || membershipOf(tables, roomId, userId) !== 'join') return
    // The cast is sound: it is the id of a stored event.
    const eventId = event.eventId as EventId
    const body = { userId, receiptType: 'm.read', threadId: '', eventId, ts: 1 } as const
    const asked = this.#begin('receipt', { userId, roomId, key: eventId })
    await this.#insist(asked, attempts, async () => {
      await this.#world.request((ask) => ask.ask('room', roomId, 'receipt', body, { timeoutMs: 5000 }))
    })
  }

  /** Says for how long he types, or that he has ended. */
  async type(userId: UserId, roomId: RoomId, ms: number): Promise<void> {
    const body = { userId, typing: ms > 0, timeoutMs: ms }
    const asked = this.#begin('typing', { userId, roomId, key: String(ms) })
    await this.#insist(asked, attempts, async () => {
      await this.#world.request((ask) => ask.ask('room', roomId, 'typing', body, { timeoutMs: 5000 }))
    })
  }

  async #toDevice(sender: UserId, person: number): Promise<void> {
    const n = this.#made++
    const target = this.#world.userOf(person)
    const key = txnKey(
      { endpoint: 'to-device', roomId: '', userId: sender, deviceId: usersDevice },
      `d${n} ${target}`,
    )
    const body = { sender, type: 'sim.message', txnKey: key, messages: { '*': { n } } }
    const asked = this.#begin('toDevice', { userId: target, roomId: undefined, key: String(n) })
    await this.#insist(asked, attempts, async () => {
      await this.#world.request((ask) => ask.ask('user', target, 'deliver', body, { timeoutMs: 5000 }))
    })
  }

  /** Whoever writes to a device needs a key of it, which nobody else may be given; repeated, it is the same claim. */
  async #claimKey(person: number): Promise<void> {
    const target = this.#world.userOf(person)
    const claimKey = `claim ${this.#made++}`
    const body = { claims: { [usersDevice]: keyAlgorithm }, claimKey }
    const asked = this.#begin('claimKeys', { userId: target, roomId: undefined, key: claimKey })
    await this.#insist(asked, attempts, async () => {
      const { keys } = await this.#world.request((ask) =>
        ask.ask('user', target, 'claimKeys', body, { timeoutMs: 5000 }),
      )
      for (const id of Object.keys(keys[usersDevice] ?? {})) {
        const first = this.#handedOut.getOrInsert(id, { claimKey, askedMs: asked.invokedMs })
        if (first.claimKey === claimKey || this.#isOfLostHistory(id, first.askedMs)) continue
        this.#world.found('C9', `${id} of ${target} was given to ${first.claimKey} and to ${claimKey}`)
      }
    })
  }

  /** Who asked for it before a failover got it from what is lost, though he may hear of it later, and its upload was under way and went on. */
  #isOfLostHistory(keyId: string, askedMs: number): boolean {
    const { lastFailOverMs } = this.#world
    return (
      askedMs < lastFailOverMs && (this.#uploadedMs.get(keyId) ?? Number.POSITIVE_INFINITY) > lastFailOverMs
    )
  }

  async #accountData(userId: UserId, value: number, through?: Entrance): Promise<void> {
    const body = { type: 'sim.data', content: { value } }
    const asked = this.#begin('accountData', { userId, roomId: undefined, key: String(value) })
    await this.#insist(asked, attempts, async () => {
      await this.#world.request(
        (ask) => ask.ask('user', userId, 'putAccountData', body, { timeoutMs: 5000 }),
        through,
      )
    })
  }

  async #profile(userId: UserId, value: number): Promise<void> {
    const body = { key: 'displayname', value: `Name ${value}` }
    const asked = this.#begin('profile', { userId, roomId: undefined, key: body.value })
    await this.#insist(asked, attempts, async () => {
      await this.#world.request((ask) => ask.ask('user', userId, 'putProfile', body, { timeoutMs: 5000 }))
    })
  }

  /** Uploads new device keys; the client is answered when every room has been told. */
  async #deviceKeys(userId: UserId): Promise<void> {
    const n = this.#made++
    const deviceKeys = {
      user_id: userId,
      device_id: usersDevice,
      algorithms: ['sim'],
      keys: { [`sim:${n}`]: 'key' },
      signatures: {},
    }
    const asked = this.#begin('deviceKeys', { userId, roomId: undefined, key: String(n) })
    await this.#insist(asked, attempts, async () => {
      // After a failover others, for those of before may have been given out in what is lost.
      const ids = ['a', 'b'].map(
        (key) => `${keyAlgorithm}:${n}-${Math.max(0, this.#world.lastFailOverMs)}-${key}`,
      )
      const oneTimeKeys = Object.fromEntries(ids.map((id) => [id, id]))
      const body = { deviceId: usersDevice, deviceKeys, oneTimeKeys }
      // While it is under way it may be carried out.
      for (const id of ids) this.#uploadedMs.set(id, Number.POSITIVE_INFINITY)
      await this.#world.request((ask) => ask.ask('user', userId, 'uploadKeys', body, { timeoutMs: 5000 }))
      for (const id of ids) this.#uploadedMs.set(id, this.#world.kernel.nowMs)
      await this.#world.request((ask) => ask.ask('user', userId, 'spread', {}, { timeoutMs: 5000 }))
      checkSpread(this.#world, asked)
    })
  }

  /** Asks for what the database refuses for its content. Only this fails, whatever goes with it. */
  async #poison(userId: UserId): Promise<void> {
    const n = this.#made++
    const roomId = this.#world.roomOf(n)
    const isOfRoom = this.#world.random.fraction() < 0.5
    this.poisoned.add(isOfRoom ? roomId : userId)
    const message = {
      sender: userId,
      deviceId: usersDevice,
      txnId: `p${n}`,
      type: 'sim.poison',
      content: { body: unstorable },
    }
    const renaming = { deviceId: usersDevice, displayName: `${n} \u0000` }
    await this.#world
      .request(
        (ask): Promise<unknown> =>
          isOfRoom
            ? ask.ask('room', roomId, 'send', message, { timeoutMs: 5000 })
            : ask.ask('user', userId, 'setDeviceName', renaming, { timeoutMs: 5000 }),
        this.#world.ownerOf(isOfRoom ? roomId : userId),
      )
      .then(
        () => this.#world.found('refusal', 'what the database cannot store was answered as if it had'),
        (error: unknown) => this.#world.trace(() => `${userId} poison ${n}: ${String(error)}`),
      )
  }

  /** Asks for something of a user until there is an answer, and says what became of it. */
  async insistOn(
    what: Asked['what'],
    { key, userId }: { readonly userId: UserId; readonly key: string },
    run: () => Promise<void>,
  ): Promise<Asked> {
    const asked = this.#begin(what, { userId, roomId: undefined, key })
    await this.#insist(asked, attempts, run)
    return asked
  }

  #begin(what: Asked['what'], of: { userId: UserId; roomId: RoomId | undefined; key: string }): Asked {
    const asked: Asked = {
      what,
      ...of,
      invokedMs: this.#world.kernel.nowMs,
      endedMs: Number.POSITIVE_INFINITY,
      insists: false,
      outcome: 'open',
      eventIds: [],
    }
    this.history.push(asked)
    return asked
  }

  /** An answer names what is committed, whoever gave it. */
  #answered(asked: Asked, eventId: string): void {
    asked.eventIds.push(eventId)
    if (this.#world.server.tables.eventIds.has(eventId) || this.#world.lostEvents.has(eventId)) return
    this.#world.found(
      'uncommitted',
      `${asked.what} ${asked.key} was answered with ${eventId}, which is not committed`,
    )
  }

  /** Asks until there is an answer that says what became of it; who insists does so for a while, for refusals come fast. */
  async #insist(asked: Asked, tries: number, run: () => Promise<void>): Promise<void> {
    const world = this.#world
    asked.insists = tries > 1
    const untilMs = asked.insists ? asked.invokedMs + insistMs : 0
    for (let i = 0; i < tries || world.kernel.nowMs < untilMs; i++) {
      try {
        await run()
        asked.outcome = 'done'
        break
      } catch (error) {
        const refusal = world.refused(asked.what, error)
        asked.outcome = refusal === undefined ? 'unknown' : 'refused'
        if (refusal !== undefined) break
        await world.sleep(100 + world.random.fraction() * 1500)
      }
    }
    asked.endedMs = world.kernel.nowMs
    world.trace(
      () =>
        `${asked.userId} ${asked.what} ${asked.key} ${asked.roomId ?? ''}: ${asked.outcome} ${asked.eventIds.join(' ')}`,
    )
  }
}

/** A refusal that says what became of a request: it was not carried out. */
export function refusalOf(error: unknown): MatrixError | undefined {
  if (!(error instanceof MatrixError)) return undefined
  return error.status === 429 || error.status >= 500 ? undefined : error
}
