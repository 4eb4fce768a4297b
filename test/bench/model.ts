/**
 * What a cluster of so many hosts does with what a million people say: the production placement says who owns which shard, the
 * production leaders send what is committed to those who follow, and every message between hosts is counted. Costs are given; the
 * cluster itself does not run.
 */

import type { Bus, BusMessage, BusSubscription } from '#actors/bus/bus.ts'
import { hostSubject, shardSubject, type Subject } from '#actors/bus/subjects.ts'
import { FollowLeader } from '#actors/follow/leader.ts'
import { followRequest } from '#actors/follow/wire.ts'
import type { Survey } from '#actors/runtime/cluster-store.ts'
import { FeedHooks } from '#actors/runtime/feed-hooks.ts'
import { defaultShardCount } from '#actors/runtime/shards.ts'
import { actorRole, planFor } from '#actors/runtime/shares.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { LogEntry } from '#storage/entry.ts'
import { ManualClock } from '../support/manual-clock.ts'
import type { ModelRoom, Population } from './model-population.ts'

/** What the events of a population cause in a cluster. */
export interface Traffic {
  readonly hosts: number
  readonly events: number
  /** Log entries that went to another host, one message each where nothing is merged. */
  readonly sent: number
  /** For each host, in the order of hosts. */
  readonly perHost: readonly HostTraffic[]
}

export interface HostTraffic {
  readonly shards: number
  /** Decided and committed here. */
  messages: number
  receipts: number
  sent: number
  received: number
  /** Syncs of its users that were answered. */
  deliveries: number
}

/** Owners by shard, after so many hosts have come one by one and all is at rest. */
export function placement(hosts: number, shards = defaultShardCount): number[] {
  const owners = Array.from({ length: shards }, (): number | undefined => undefined)
  for (let members = 1; members <= hosts; members++) {
    for (
      let survey = surveyOf(owners, members);
      planFor(survey, '0', 0).restless;
      survey = surveyOf(owners, members)
    ) {
      for (let host = 0; host < members; host++) act(owners, host, planFor(survey, String(host), 0))
    }
  }
  return owners.map((owner) => owner ?? 0)
}

function surveyOf(owners: readonly (number | undefined)[], members: number): Survey {
  return {
    shards: owners.map((owner, shard) => ({
      shard,
      epoch: 1,
      owner: owner?.toString(),
      alive: owner !== undefined,
    })),
    hosts: Array.from({ length: members }, (_, host) => ({
      hostId: String(host),
      name: `host-${host}`,
      version: '1',
      roles: [actorRole],
      weight: 1,
      draining: false,
    })),
  }
}

function act(owners: (number | undefined)[], host: number, plan: ReturnType<typeof planFor>): void {
  for (const { shard } of plan.claim) owners[shard] ??= host
  let left = plan.giveUp
  for (const [shard, owner] of owners.entries()) {
    if (owner !== host || left === 0) continue
    owners[shard] = undefined
    left--
  }
}

/** A bus on which every leader answers, and what they publish is counted. */
class CountingBus implements Bus {
  readonly healthy = true
  readonly #handlers = new Map<Subject, (message: BusMessage) => Promise<BusMessage | undefined>>()
  readonly #onPublish: (subject: Subject) => void

  constructor(onPublish: (subject: Subject) => void) {
    this.#onPublish = onPublish
  }

  async request(subject: Subject, message: BusMessage): Promise<BusMessage> {
    const reply = await this.#handlers.get(subject)?.(message)
    if (reply === undefined) throw new Error(`nobody serves ${subject}`)
    return reply
  }

  serve(
    subject: Subject,
    handler: (message: BusMessage, context: { signal: AbortSignal }) => Promise<BusMessage | undefined>,
  ): Promise<BusSubscription> {
    const { signal } = new AbortController()
    this.#handlers.set(subject, (message) => handler(message, { signal }))
    return Promise.resolve({ close: () => Promise.resolve() })
  }

  publish(subject: Subject): void {
    this.#onPublish(subject)
  }

  subscribe(): Promise<BusSubscription> {
    return Promise.resolve({ close: () => Promise.resolve() })
  }

  onHealth(): () => void {
    return () => {}
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const deaf = { host() {}, claimed() {}, lost() {}, committed() {}, ephemeral() {} }

/** Lets everything happen that the population says, each event in a commit of its own, and counts. */
export async function simulate(population: Population, hosts: number): Promise<Traffic> {
  const owners = placement(hosts)
  const perHost = Array.from({ length: hosts }, (_, host) => ({
    shards: owners.filter((owner) => owner === host).length,
    messages: 0,
    receipts: 0,
    sent: 0,
    received: 0,
    deliveries: 0,
  }))
  const hostOf = (shard: number): HostTraffic => perHost[owners[shard] ?? 0] ?? raise()
  const subjects = new Map(perHost.map((host, n) => [hostSubject(String(n)), host]))
  let sent = 0
  const bus = new CountingBus((subject) => {
    const host = subjects.get(subject)
    if (host === undefined) return
    host.received++
    sent++
  })
  const hooks = await startLeaders(bus, owners)
  await follow(bus, owners, population.rooms)
  const heads = owners.map(() => 0)
  for (const { room, kind } of population.events) {
    const owner = hostOf(room.shard)
    const before = sent
    const prev = heads[room.shard] ?? 0
    heads[room.shard] = prev + 1
    const entries = [entryOf(room, kind, prev + 1)]
    hooks[owners[room.shard] ?? 0]?.committed({ shard: room.shard, epoch: 1, prev, to: prev + 1, entries })
    owner.sent += sent - before
    owner[kind === 'message' ? 'messages' : 'receipts']++
    for (const shard of room.waiting) hostOf(shard).deliveries++
  }
  return { hosts, events: population.events.length, sent, perHost }
}

/** One leader for each host, of its shards. */
async function startLeaders(bus: Bus, owners: readonly number[]): Promise<FeedHooks[]> {
  const hooks = Array.from({ length: Math.max(...owners) + 1 }, () => new FeedHooks())
  const clock = new ManualClock()
  for (const each of hooks) {
    new FollowLeader({ bus, clock, hooks: each, local: deaf, shardCount: owners.length })
  }
  for (const [shard, owner] of owners.entries()) {
    await hooks[owner]?.shard({ what: 'claimed', shard, epoch: 1, head: 0 })
  }
  return hooks
}

/** Every host asks the owners of all other shards for the rooms in which one of its users waits, and for what concerns its users. */
async function follow(bus: Bus, owners: readonly number[], rooms: readonly ModelRoom[]): Promise<void> {
  const wanted = new Map<number, Map<number, string[]>>()
  for (const { roomId, shard, waiting } of rooms) {
    for (const host of new Set(Array.from(waiting, (user) => owners[user] ?? 0))) {
      if (host === owners[shard]) continue
      const byShard = wanted.getOrInsertComputed(host, () => new Map<number, string[]>())
      byShard.getOrInsertComputed(shard, () => []).push(roomId)
    }
  }
  for (const [host, byShard] of wanted) {
    const userShards = owners.flatMap((owner, shard) => (owner === host ? [shard] : []))
    for (const [shard, roomIds] of byShard) {
      const request = { hostId: String(host), chain: 1, number: 1, rooms: roomIds, userShards }
      await bus.request(shardSubject(shard), followRequest(request), { timeoutMs: 1000 })
    }
  }
}

/** What the leader looks at: where the row belongs, and whom it concerns. */
function entryOf(room: ModelRoom, kind: 'message' | 'receipt', pos: number): LogEntry {
  return {
    shard: room.shard,
    pos,
    epoch: 1,
    kind: kind === 'message' ? 'event' : 'receipt',
    // The cast is sound: it is one.
    roomId: room.roomId as RoomId,
    roomNid: 1,
    event: undefined,
    userId: undefined,
    membership: undefined,
    prevMembership: undefined,
    stateRoot: undefined,
    body: undefined,
  }
}

function raise(): never {
  throw new RangeError('a shard without a host')
}
