/** Random steps of a cluster: hosts that come, renew, hang and go, claims of what was seen lately or long ago, servers that are others. */

import type { Random } from '#actors/runtime/clock.ts'
import type { Head } from '#storage/cluster/heads.ts'
import type { HeldShard } from '#storage/cluster/incarnation.ts'
import { type Host, type HostCondition, type KnownHost, leaseMs } from '#storage/cluster/leases.ts'
import type { ShardEpoch, ShardOwner } from '#storage/cluster/shards.ts'

export type Step =
  | { readonly kind: 'join'; readonly host: Host }
  /** `renew again`: over another session than before, though the server still knows that one. */
  | {
      readonly kind: 'renew' | 'renew again'
      readonly hostId: number
      readonly condition: HostCondition
    }
  /** The server has ended the oldest session of a host. */
  | { readonly kind: 'lose'; readonly hostId: number }
  | { readonly kind: 'drain'; readonly hostId: number; readonly draining: boolean }
  | { readonly kind: 'claim'; readonly hostId: number; readonly seen: readonly ShardEpoch[] }
  | { readonly kind: 'release'; readonly hostId: number; readonly owned: ShardEpoch }
  | { readonly kind: 'leave'; readonly hostId: number }
  | { readonly kind: 'forget others'; readonly hostId: number }
  | { readonly kind: 'forget dead' }
  | { readonly kind: 'wait'; readonly ms: number }
  /** A row of a log at the position that is next, and a one-time key of that number. */
  | { readonly kind: 'write'; readonly row: Head }
  | { readonly kind: 'bears out'; readonly held: readonly HeldShard[] }
  /** The server is another than the one seen last. */
  | { readonly kind: 'other server' }
  | { readonly kind: 'check' }
  | { readonly kind: 'raise' }

/** Everything that can be seen of a cluster, but for times. */
export interface Picture {
  readonly incarnation: number
  readonly oneTimeKeys: number
  readonly shards: readonly ShardOwner[]
  readonly heads: readonly Head[]
  /** In the order in which they are listed. */
  readonly hosts: readonly Omit<KnownHost, 'renewedMsAgo'>[]
  /** Ascending. */
  readonly dead: readonly number[]
}

const hostsMax = 5
/** Two waits end a lease, and nothing comes near its end in between, however slow the real database is. */
const waitMs = leaseMs / 2
/** So long that every lease has been over for more than the hour for which the dead are remembered, by a second at least. */
const longWaitMs = 3_606_000

const weights: readonly (readonly [Step['kind'], number])[] = [
  ['join', 4],
  ['renew', 13],
  ['renew again', 3],
  ['lose', 5],
  ['drain', 4],
  ['claim', 12],
  ['release', 4],
  ['leave', 2],
  ['forget others', 1],
  ['forget dead', 2],
  ['wait', 5],
  ['write', 3],
  ['bears out', 4],
  ['other server', 2],
  ['check', 4],
  ['raise', 1],
]

export class ClusterScript {
  readonly #random: Random
  /** Ids of all hosts that there have ever been. */
  readonly #joined: number[] = []
  /** The shards as they were before each step. */
  readonly #seen: (readonly ShardEpoch[])[] = []

  constructor(random: Random) {
    this.#random = random
  }

  next(now: Picture): Step {
    this.#seen.push(now.shards)
    return this.#step(this.#joined.length < 3 ? 'join' : this.#kind(), now)
  }

  #step(kind: Step['kind'], now: Picture): Step {
    const hostId = this.#hostId(now)
    switch (kind) {
      case 'join':
        if (now.hosts.length < hostsMax) return { kind, host: this.#host() }
        return { kind: 'renew', hostId, condition: this.#condition() }
      case 'renew':
      case 'renew again':
        return { kind, hostId, condition: this.#condition() }
      case 'drain':
        return { kind, hostId, draining: this.#chance(0.7) }
      case 'claim':
        return { kind, hostId: this.#claimer(now) ?? hostId, seen: this.#claims(now) }
      case 'release':
        return this.#release(now)
      case 'wait':
        return { kind, ms: this.#chance(0.2) ? longWaitMs : waitMs }
      case 'write': {
        const { shard, epoch, pos } = this.#oneOf(now.heads)
        return { kind, row: { shard, epoch, pos: pos + 1 } }
      }
      case 'bears out':
        return { kind, held: this.#held(now) }
      case 'lose':
        return { kind, hostId: this.#loser(now) ?? hostId }
      case 'leave':
      case 'forget others':
        return { kind, hostId }
      case 'forget dead':
      case 'other server':
      case 'check':
      case 'raise':
        return { kind }
    }
  }

  #host(): Host {
    // A safe integer, as the program draws it: both halves of the lock that it names are used.
    const hostId = this.#below(2 ** 21) * 2 ** 32 + this.#below(2 ** 32)
    this.#joined.push(hostId)
    return {
      hostId,
      name: this.#oneOf(['a', 'b', 'c']),
      version: this.#oneOf(['1', '2']),
      roles: 'actors,gateway',
      weight: this.#chance(0.7) ? 1 + this.#below(3) : undefined,
      condition: this.#chance(0.7) ? this.#condition() : undefined,
    }
  }

  #condition(): HostCondition {
    return this.#oneOf(['able', 'no bus', 'cut off', 'no connections'])
  }

  /** Mostly one that may claim. */
  #claimer(now: Picture): number | undefined {
    const able = now.hosts.filter(({ alive, draining }) => alive && !draining)
    return able.length > 0 && this.#chance(0.7) ? this.#oneOf(able).hostId : undefined
  }

  /** What somebody saw: a moment ago, and of those who are dead if there are any; or long ago, and it could be had if it were still so. */
  #claims(now: Picture): ShardEpoch[] {
    const wanted = now.shards.filter((row) => isFree(row, now))
    const ofDead = wanted.filter(({ owner }) => owner !== undefined)
    const longAgo = this.#oneOf(this.#seen).filter(({ shard, epoch }) =>
      wanted.some((row) => row.shard === shard && row.epoch !== epoch),
    )
    const seen = longAgo.length > 0 && this.#chance(0.5) ? longAgo : ofDead.length > 0 ? ofDead : now.shards
    return this.#some(seen).map(({ shard, epoch }) => ({ shard, epoch }))
  }

  /** Mostly one that owns shards. */
  #loser(now: Picture): number | undefined {
    const owners = now.hosts.filter(({ alive, shards }) => alive && shards > 0)
    return owners.length > 0 && this.#chance(0.8) ? this.#oneOf(owners).hostId : undefined
  }

  /** Mostly of an owner who owns it. */
  #release(now: Picture): Step {
    const owned = now.shards.filter(({ owner }) => owner !== undefined)
    const { shard, epoch, owner } = this.#oneOf(owned.length > 0 ? owned : now.shards)
    const isOwner = owner !== undefined && this.#chance(0.8)
    return {
      kind: 'release',
      hostId: isOwner ? owner : this.#hostId(now),
      owned: { shard, epoch: this.#chance(0.8) ? epoch : Math.max(0, epoch - 1) },
    }
  }

  #held(now: Picture): HeldShard[] {
    return this.#some(now.heads).map(({ shard, epoch, pos }) => ({
      shard,
      epoch: this.#chance(0.9) ? epoch : epoch + 1,
      position: this.#chance(0.9) ? this.#below(pos + 1) : pos + 1,
    }))
  }

  /** Mostly of a host that is known, else of one that is gone. */
  #hostId(now: Picture): number {
    const known = now.hosts.map(({ hostId }) => hostId)
    const gone = this.#joined.filter((hostId) => !known.includes(hostId))
    const [some, others] = this.#chance(0.85) ? [known, gone] : [gone, known]
    return some.length + others.length > 0 ? this.#oneOf(some.length > 0 ? some : others) : 0
  }

  #kind(): Step['kind'] {
    let left = this.#random.fraction() * weights.reduce((sum, [, weight]) => sum + weight, 0)
    const found = weights.find(([, weight]) => (left -= weight) < 0)
    return found?.[0] ?? 'check'
  }

  /** One to four of them. */
  #some<T>(all: readonly T[]): T[] {
    const left = [...all]
    const some: T[] = []
    const count = Math.min(left.length, 1 + this.#below(4))
    while (some.length < count) some.push(...left.splice(this.#below(left.length), 1))
    return some
  }

  #oneOf<T>(all: readonly T[]): T {
    const one = all[this.#below(all.length)]
    if (one === undefined) throw new RangeError('there is nothing to choose from')
    return one
  }

  #below(limit: number): number {
    return Math.floor(this.#random.fraction() * limit)
  }

  #chance(probability: number): boolean {
    return this.#random.fraction() < probability
  }
}

/** What a step came across, in words: so that a test can say what scripts must come across. */
export function happenings(
  step: Step,
  answer: unknown,
  { before, after }: { readonly before: Picture; readonly after: Picture },
): string[] {
  if (step.kind === 'forget dead') return [`${step.kind}: ${after.hosts.length < before.hosts.length}`]
  if (step.kind !== 'claim') return [typeof answer === 'boolean' ? `${step.kind}: ${answer}` : step.kind]
  // The cast states what a claim answers.
  const taken = new Set((answer as readonly ShardEpoch[]).map(({ shard }) => shard))
  const me = before.hosts.find(({ hostId }) => hostId === step.hostId)
  return step.seen.map((seen) => {
    const what = me?.alive !== true ? 'its lease is over' : me.draining ? 'it drains' : claimed(seen, before)
    return `claim: ${what}: ${taken.has(seen.shard) ? 'taken' : 'refused'}`
  })
}

function claimed(seen: ShardEpoch, before: Picture): string {
  const row = before.shards[seen.shard]
  if (row === undefined || !isFree(row, before)) return 'its owner lives'
  if (row.epoch !== seen.epoch) return 'seen long ago'
  if (row.owner === undefined) return 'free'
  return row.alive ? 'its owner has no session' : "its owner's lease is over"
}

function isFree({ owner }: ShardOwner, { dead }: Picture): boolean {
  return owner === undefined || dead.includes(owner)
}
