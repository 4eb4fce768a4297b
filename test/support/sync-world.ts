/** People who sync: rooms, users and following on a real Postgres, in one host or several over one bus. */

import type { Bus } from '#actors/bus/bus.ts'
import { MemoryBus } from '#actors/bus/memory.ts'
import { HostFeed } from '#actors/follow/follower.ts'
import { FollowLeader } from '#actors/follow/leader.ts'
import { interactionActor } from '#actors/interaction/interaction.ts'
import { roomActor } from '#actors/room/room.ts'
import type { Asker } from '#actors/runtime/client.ts'
import { systemClock, systemRandom } from '#actors/runtime/clock.ts'
import type { ActorContext, ReplyWithBody } from '#actors/runtime/contract.ts'
import { FeedHooks } from '#actors/runtime/feed-hooks.ts'
import { type ActorHost, makeActorHost } from '#actors/runtime/host.ts'
import { shardOf } from '#actors/runtime/shards.ts'
import { NumberBlocks } from '#actors/room/numbers.ts'
import { Fanout } from '#actors/user/fanout.ts'
import type { SyncRequest } from '#actors/user/messages.ts'
import { UserSync } from '#actors/user/sync/engine.ts'
import type { OwnState } from '#actors/user/own-state.ts'
import { type SyncFeed, SyncHost } from '#actors/user/sync/host.ts'
import { userActor } from '#actors/user/user.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { ServerName } from '#protocol/ids/server-name.ts'
import { parseUserId, type UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import { takeEventNumbers, takeRoomNumbers } from '#storage/cluster/numbers.ts'
import { compileRules } from '#protocol/push/evaluate.ts'
import type { Reads } from '#storage/reads.ts'
import { ShardWrites } from '#storage/shard-writes.ts'
import { type Database, openDatabase } from '#storage/pool.ts'
import { createRequest, type RoomPlan } from './room-builder.ts'
import { testDatabase, type TestDatabase } from './postgres.ts'

// The cast is sound: it is the name that the test databases are given.
const serverName = 'test.local' as ServerName

// Tests look into responses of every shape; the assertions are their check.
// oxlint-disable-next-line typescript/no-explicit-any
export type Response = any

export interface SyncingHost {
  readonly host: ActorHost
  readonly feed: HostFeed
  readonly syncing: SyncHost
}

export class SyncWorld implements AsyncDisposable {
  readonly bus = new MemoryBus(systemClock)
  readonly hosts: SyncingHost[] = []
  readonly #test: TestDatabase
  readonly #stack = new AsyncDisposableStack()
  #made = 0

  private constructor(test: TestDatabase) {
    this.#test = test
    this.#stack.use(test)
    this.#stack.use(this.bus)
  }

  static async open(hosts = 1): Promise<SyncWorld> {
    const world = new SyncWorld(await testDatabase({ serverName }))
    for (let i = 0; i < hosts; i++) await world.addHost()
    return world
  }

  get database(): Database {
    return this.#test.database
  }

  get ask(): Asker {
    const [first] = this.hosts
    if (first === undefined) throw new Error('there is no host')
    return first.host.asker
  }

  /** Starts a host with connections of its own, as another process would have. */
  async addHost(bus: Bus = this.bus): Promise<SyncingHost> {
    const name = `host${this.hosts.length + 1}`
    const database = this.#stack.use(await openDatabase({ ...this.#test.options, applicationName: name }))
    const common = { bus, clock: systemClock, random: systemRandom, reads: database.reads, shardCount: 64 }
    const hooks = new FeedHooks()
    const feed = this.#stack.use(new HostFeed(common))
    this.#stack.use(new FollowLeader({ ...common, hooks, local: feed }))
    await feed.start()
    const syncing = this.#stack.use(new SyncHost({ ...common, feed }))
    const fanout = new Fanout()
    this.#stack.defer(() => fanout.dispose())
    const host = makeActorHost({
      ...common,
      database,
      hooks,
      hostName: name,
      version: 'test',
      roles: ['actors'],
      committers: 2,
      definitions: [
        roomActor({ serverName, numbers: numbersOf(database), shardCount: 64 }),
        userActor({
          serverName,
          fanout,
          makeReading: (context, userId, own) => new UserSync({ host: syncing, context, userId, own }),
        }),
        interactionActor(),
      ],
    })
    this.#stack.use(host)
    const services = { reads: database.reads, ask: host.asker, clock: systemClock }
    hooks.onShard(({ what, shard }) => {
      if (what === 'claimed') fanout.shardClaimed(shard, services)
      else fanout.shardLost(shard)
    })
    await host.start()
    const started = { host, feed, syncing }
    this.hosts.push(started)
    return started
  }

  /** A registered user with one device. */
  async person(name: string): Promise<SyncingPerson> {
    const userId = parseUserId(`@${name}:test.local`)
    await this.ask.ask('user', userId, 'register', {
      admin: false,
      session: {
        deviceId: 'DEV',
        tokenHash: Buffer.from(`token of ${name}`.padEnd(32, '.')).subarray(0, 32).toString('base64'),
      },
    })
    return new SyncingPerson(this, userId)
  }

  /** A room of the person's making; public unless the plan says otherwise. */
  async room(creator: SyncingPerson, plan: Partial<RoomPlan> = {}): Promise<RoomId> {
    const request = createRequest({ creator: creator.userId, at: 1_700_000_000_000 + this.#made++, ...plan })
    return (await this.ask.ask('room', request.roomId, 'create', request)).roomId
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

export class SyncingPerson {
  readonly userId: UserId
  readonly #world: SyncWorld
  #txn = 0

  constructor(world: SyncWorld, userId: UserId) {
    this.#world = world
    this.userId = userId
  }

  async sync(request: Partial<SyncRequest> = {}): Promise<Response> {
    const body = { deviceId: 'DEV', timeoutMs: 0, fullState: false, useStateAfter: false, ...request }
    const reply: unknown = await this.#world.ask.ask('user', this.userId, 'sync', body, {
      timeoutMs: body.timeoutMs + 10_000,
    })
    // The cast states what the actor replies with (`ReplyWithBody`).
    return JSON.parse((reply as ReplyWithBody).body)
  }

  async send(roomId: RoomId, content: JsonObject | string, type = 'm.room.message'): Promise<string> {
    const { eventId } = await this.#world.ask.ask('room', roomId, 'send', {
      sender: this.userId,
      deviceId: 'DEV',
      txnId: `t${this.#txn++}`,
      type,
      content: typeof content === 'string' ? { body: content, msgtype: 'm.text' } : content,
    })
    return eventId
  }

  async state(roomId: RoomId, type: string, content: JsonObject, stateKey = ''): Promise<string> {
    const request = { sender: this.userId, type, stateKey, content }
    return (await this.#world.ask.ask('room', roomId, 'state', request)).eventId
  }

  async redact(roomId: RoomId, target: string): Promise<void> {
    await this.#world.ask.ask('room', roomId, 'redact', {
      sender: this.userId,
      deviceId: 'DEV',
      txnId: `t${this.#txn++}`,
      // The cast is sound: tests pass ids that `send` has given.
      target: target as never,
      content: {},
    })
  }

  async member(
    roomId: RoomId,
    action: 'join' | 'leave' | 'invite' | 'kick' | 'ban' | 'unban' | 'knock',
    target: SyncingPerson = this,
  ): Promise<void> {
    const request = { sender: this.userId, target: target.userId, action, profile: {} }
    await this.#world.ask.ask('room', roomId, 'membership', request)
  }

  async read(
    roomId: RoomId,
    eventId: string,
    threadId = '',
    receiptType: 'm.read' | 'm.read.private' = 'm.read',
  ): Promise<void> {
    // The cast is sound: tests pass ids that `send` has given.
    const request = {
      userId: this.userId,
      receiptType,
      threadId,
      eventId: eventId as never,
      ts: 1_700_000_000_000,
    }
    await this.#world.ask.ask('room', roomId, 'receipt', request)
  }
}

function numbersOf(database: Database): NumberBlocks {
  return new NumberBlocks({
    takeEvents: () => takeEventNumbers(database.control),
    takeRooms: (count) => takeRoomNumbers(database.control, count),
  })
}

/** A feed as it is, but for what is given. */
export function feedWith(feed: SyncFeed, changes: Partial<SyncFeed>): SyncFeed {
  const same: SyncFeed = {
    incarnation: feed.incarnation,
    shardCount: feed.shardCount,
    readHeadsNow: () => feed.readHeadsNow(),
    readHeads: () => feed.readHeads(),
    follow: (roomId, shard) => feed.follow(roomId, shard),
    unfollow: (roomId, shard) => feed.unfollow(roomId, shard),
    entriesAfter: (roomId, shard, pos) => feed.entriesAfter(roomId, shard, pos),
    provenTo: (shard) => feed.provenTo(shard),
    typing: (roomId) => feed.typing(roomId),
    onEntries: (listener) => feed.onEntries(listener),
    onEphemeral: (listener) => feed.onEphemeral(listener),
    onBroken: (listener) => feed.onBroken(listener),
  }
  return { ...same, ...changes }
}

/** The feed as it is when nothing reaches the host: everything must be asked of Postgres. */
export function deafFeed(feed: SyncFeed): SyncFeed {
  return feedWith(feed, {
    follow: () => {},
    unfollow: () => {},
    entriesAfter: () => undefined,
    provenTo: () => undefined,
    typing: () => ({ version: 0, userIds: [] }),
    onEntries: () => () => {},
    onEphemeral: () => () => {},
    onBroken: () => () => {},
  })
}

/** An owner without any data of his own: enough where only rooms matter. */
export const nothingOwn: OwnState = {
  accountData: () => Promise.resolve([]),
  accountDataAfter: () => Promise.resolve([]),
  ignoredUsers: () => Promise.resolve(new Set()),
  pushRules: () => Promise.resolve(compileRules(undefined)),
  keyCounts: () => Promise.resolve({ counts: {}, unusedFallback: [] }),
  toDevice: (_deviceId, after) => Promise.resolve({ messages: [], upTo: after, more: false }),
  acknowledgeToDevice: () => {},
  carryOver: () => {},
}

/** A context that suffices to read along. */
export function readingContext(reads: Reads, userId: UserId): ActorContext {
  const unused = (): never => {
    throw new Error('reading along decides nothing')
  }
  return {
    kind: 'user',
    key: userId,
    shard: shardOf(userId),
    epoch: 1,
    clock: systemClock,
    random: systemRandom,
    reads,
    ask: { ask: unused },
    writes: () => new ShardWrites(shardOf(userId)),
    decide: () => Promise.resolve(),
    afterCommit: unused,
    background: unused,
    signal: new AbortController().signal,
    enqueue: unused,
    ephemeral: unused,
  }
}

/** Syncs of a person by an activation of their own, over the given feed. */
export function reading(host: SyncHost, reads: Reads, userId: UserId, own: OwnState = nothingOwn): UserSync {
  return new UserSync({ host, context: readingContext(reads, userId), userId, own })
}

/** Asks an activation directly. */
export async function syncOf(sync: UserSync, request: Partial<SyncRequest> = {}): Promise<Response> {
  const body = { deviceId: 'DEV', timeoutMs: 0, fullState: false, useStateAfter: false, ...request }
  const reply = await sync.sync(body, { traceId: 'test', signal: new AbortController().signal })
  return JSON.parse(reply.body)
}
