/**
 * Decides which shards this host owns (DESIGN.md §3, "Claim"): looks at the cluster, claims what is free up to its share, gives up what is
 * more, and carries out what the lease and the committers say. Postgres holds the truth; hints only make it look sooner.
 *
 *   look ─► survey ─┬─ ours in Postgres, not served here ─► release (a new claim gives a new epoch)
 *                   ├─ served here, not ours any more ────► drop
 *                   ├─ free, and below our share ─────────► claim, then read heads, then serve, then announce
 *                   └─ above our share, nothing free ─────► leave, release, announce
 *
 * One look runs at a time. A claim is made before the head is read: only then can nobody else append.
 */

import type { Bus, BusSubscription } from '../bus/bus.ts'
import { ownershipSubject } from '../bus/subjects.ts'
import { leaseMs } from '#storage/cluster/leases.ts'
import type { CommitStore } from '#storage/commit.ts'
import { atMost, delay, unlessCut, type Clock, type Random, type Timer } from './clock.ts'
import type { Claim, ClusterStore, Survey } from './cluster-store.ts'
import { CommitConnections } from './commit-connections.ts'
import { ConditionWatch } from './condition.ts'
import type { Directory } from './directory.ts'
import { reportShard } from './events.ts'
import { Lease, leaveMs } from './lease.ts'
import type { Lane } from './lane.ts'
import { parseOwnership, tellOwnership } from './ownership-messages.ts'
import type { ShardHost } from './shard-host.ts'
import { movesAtOnce, planFor, sharesOf } from './shares.ts'

export interface OwnershipOptions {
  readonly store: ClusterStore
  readonly bus: Bus
  readonly clock: Clock
  readonly random: Random
  readonly directory: Directory
  readonly shards: ShardHost
  /** Those over which the shards' decisions are committed. */
  readonly stores: readonly CommitStore[]
  readonly name: string
  readonly version: string
  readonly roles: readonly string[]
  readonly weight: number
  /** No other process uses this database, so whoever holds a lease is dead. */
  readonly sole: boolean
  /** See `HostSettings`. */
  readonly cut?: AbortSignal | undefined
  readonly onHost: (hostId: string) => void
}

/** How often the cluster is looked at while something must change hands. */
const restlessMs = 250
/**
 * And while all is well: a host alone looks once a second. Several share the looking out for those who have died, for whoever finds one
 * tells the others: so each of them looks the less often the more they are, and one of them looks every eighth of a second on average.
 */
const calmMs = 1000
const calmMsPerHost = 125
const minLookMs = 50
/** A shard that has been free for so long is claimed by whoever can, for the host that lacks it may be hung and its lease still hold. */
const overdueMs = 1000
/** After that the balance waits until such a lease is over. */
const unbalancedMs = leaseMs
/** How long a shard that is given up may take to let its decisions become durable. */
const leaveLimitMs = 3000
/** So long a host that leaves waits for a database that does not answer: to be told of it, and for each shard. */
const beginMs = 1000
const releaseMs = 500
/** For so long a host that leaves gives its shards up a few at a time. */
const pacedMs = 1500
/** So long the others have to take them. */
const takenMs = 400

export class Ownership {
  readonly lease: Lease
  readonly #options: OwnershipOptions
  readonly #condition: ConditionWatch
  readonly #connections: CommitConnections
  #timer: Timer | undefined
  #looking: Promise<void> | undefined
  #lookAgain = false
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #draining = false
  #stopped = false
  #raising = false
  /** Since when each shard has been seen without an owner, monotonic. */
  readonly #freeSince = new Map<number, number>()
  #balancesAtMs = Number.NEGATIVE_INFINITY
  /** At the last look a shard had to change hands. */
  #restless = false
  /** At the last look there were others who may own shards. */
  #hasHeirs = false
  /** Dead owners that were seen at the last look: the others have been told of them. */
  #dead: ReadonlySet<string> = new Set()
  #hints: BusSubscription | undefined

  constructor(options: OwnershipOptions) {
    this.#options = options
    this.#condition = new ConditionWatch({ ...options, onChange: () => this.lease.restate() })
    this.#connections = new CommitConnections({
      ...options,
      onChange: (areOpen) => this.#condition.connections(areOpen),
    })
    this.lease = new Lease({
      ...options,
      condition: () => this.#condition.condition,
      onStated: () => this.hint(),
      onJoin: (hostId) => {
        options.onHost(hostId)
        tellOwnership(options.bus, { kind: 'hosts' })
      },
      onLapse: () => {
        for (const { shard } of options.shards.lanes) options.shards.drop(shard, 'the lease is over')
        this.hint()
      },
    })
  }

  /** Whether there are connections over which to commit. */
  get canCommit(): boolean {
    return this.#connections.areOpen
  }

  /** Joins, claims what is free, and from then on keeps to its share. Throws what the store throws. */
  async start(): Promise<void> {
    this.#hints = await this.#options.bus.subscribe(ownershipSubject, ({ head }) =>
      this.#heard(parseOwnership(head)),
    )
    const opening = this.#connections.open()
    if (!this.#options.bus.healthy) this.#condition.begin(await this.#survey())
    await this.lease.join()
    await opening
    if (this.#options.sole) await this.#options.store.forgetOthers(this.lease.hostId)
    await this.look()
  }

  /** Something may be free: looks soon. However many hints come, it looks at most twenty times a second. */
  hint(): void {
    if (this.#stopped) return
    const sinceMs = this.#options.clock.monotonic() - this.#lookedAtMs
    if (this.#looking !== undefined) this.#lookAgain = true
    else this.#schedule(Math.max(0, minLookMs - sinceMs))
  }

  /** Looks at the cluster once and acts on it; one look at a time. A failure is reported, and the next look is sooner. */
  async look(): Promise<void> {
    if (this.#looking !== undefined) return this.#looking
    this.#timer?.cancel()
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  /**
   * The database has lost commits, as a commit has shown: no shard of any host can go on. Nothing is claimed before the incarnation has
   * been raised, for whoever reads the heads anew would not notice that they went back.
   */
  async behind(shards: readonly number[]): Promise<void> {
    for (const shard of shards) reportShard({ shard, epoch: 0, what: 'behind' })
    if (this.#raising) return
    this.#raising = true
    const { store, clock, shards: host } = this.#options
    for (const { shard } of host.lanes) host.drop(shard, 'the database has lost commits')
    while (this.#raising && !this.#stopped) {
      try {
        await store.raiseIncarnation()
        this.#raising = false
      } catch (error) {
        reportShard({ shard: -1, epoch: 0, what: 'error', error })
        await delay(clock, restlessMs)
      }
    }
    this.hint()
  }

  /** A committer has had no connection for a while: the shards are given back, if others can take them. */
  refusedConnection(error: unknown): void {
    this.#connections.refused(error)
  }

  /** Gives up every shard in good order and leaves the cluster. Does not throw: what fails is left to the lease's end. */
  async drain(): Promise<void> {
    if (this.#draining) return
    this.#draining = true
    const { store, bus, clock, cut } = this.#options
    reportShard({ shard: -1, epoch: 0, what: 'host-draining' })
    const endMs = clock.monotonic() + leaveLimitMs
    const begin = async (): Promise<void> => {
      await this.#looking
      await store.setDraining(this.lease.hostId)
      tellOwnership(bus, { kind: 'hosts' })
    }
    await this.#attempt(() => atMost(clock, beginMs, begin()))
    await unlessCut(this.#giveUpAll(endMs), cut)
    // A renewal that finds no lease would take it for lost and join again.
    this.lease.stop()
    await this.#attempt(() => atMost(clock, leaveMs, store.leave(this.lease.hostId)))
    await this.stop()
    tellOwnership(bus, { kind: 'hosts' })
  }

  /** Stops at once, as a crash would: the lease runs out by itself. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    this.#condition[Symbol.dispose]()
    this.lease.stop()
    await this.#hints?.close().catch(() => {})
    const { shards } = this.#options
    for (const { shard } of shards.lanes) shards.drop(shard, 'the host has stopped')
  }

  #heard(message: ReturnType<typeof parseOwnership>): void {
    if (message === undefined) return
    const { directory, shards } = this.#options
    if (message.kind === 'reconnected') return directory.reconnected(message.shards, message.connection)
    if (message.kind !== 'claimed') return this.hint()
    const epochs = new Map(message.shards.map(({ shard, epoch }) => [shard, epoch]))
    for (const [shard, epoch] of epochs) directory.served(shard, epoch)
    // Claimed early, for this host's session was lost: what stands here could commit no more, and must not answer either.
    for (const { shard, epoch } of shards.lanes)
      if ((epochs.get(shard) ?? 0) > epoch) shards.drop(shard, 'another host has claimed it')
    // The next few may be on their way.
    if (this.#restless) this.hint()
  }

  #schedule(waitMs: number): void {
    this.#timer?.cancel()
    if (!this.#stopped) this.#timer = this.#options.clock.after(waitMs, () => void this.look())
  }

  async #survey(): Promise<Survey> {
    const { store, directory } = this.#options
    try {
      const survey = await store.survey()
      directory.update(survey.shards)
      return survey
    } catch (error) {
      directory.missed()
      throw error
    }
  }

  async #look(): Promise<void> {
    let waitMs = restlessMs
    this.#lookAgain = false
    this.#lookedAtMs = this.#options.clock.monotonic()
    await this.#attempt(async () => {
      if (this.#stopped) return
      const survey = await this.#survey()
      this.#tellOfDead(survey)
      if (this.lease.state !== 'member' || this.#raising) return
      this.#condition.saw(survey, this.lease.hostId)
      await this.#reconcile(survey)
      if (!this.#draining) waitMs = await this.#follow(survey)
      if (this.#condition.isAlone) waitMs = Math.min(waitMs, restlessMs)
    })
    if (this.#lookAgain) waitMs = minLookMs
    this.#schedule(waitMs)
  }

  /** Makes what is served here agree with what Postgres says. */
  async #reconcile(survey: Survey): Promise<void> {
    const { shards, store } = this.#options
    const { hostId } = this.lease
    const rows = new Map(survey.shards.map((row) => [row.shard, row]))
    for (const { shard, epoch } of shards.lanes) {
      const row = rows.get(shard)
      if (row?.owner !== hostId || row.epoch !== epoch) shards.drop(shard, 'it has another owner')
    }
    const orphans = survey.shards.filter((row) => row.owner === hostId && !shards.has(row.shard))
    if (orphans.length === 0) return
    await store.release(hostId, orphans)
    this.#lookAgain = true
  }

  /** Claims or gives up. Returns the milliseconds until the next look. */
  async #follow(survey: Survey): Promise<number> {
    if (!this.#connections.areOpen) return this.#openConnections(survey)
    const { hostId } = this.lease
    const nowMs = this.#options.clock.monotonic()
    const start = Math.floor(this.#options.random.fraction() * survey.shards.length)
    const overdue = this.#overdue(survey, nowMs)
    const plan = planFor(survey, hostId, start, overdue)
    if (plan.claim.some(({ shard }) => overdue.has(shard))) this.#balancesAtMs = nowMs + unbalancedMs
    if (plan.claim.length > 0) await this.#claim(plan.claim)
    else if (plan.giveUp > 0 && (nowMs >= this.#balancesAtMs || isLeaving(survey, hostId))) {
      const lanes = this.#options.shards.lanes.slice(0, plan.giveUp)
      await this.#giveUp(lanes.map((lane) => lane.shard))
    }
    this.#restless = plan.restless
    this.#hasHeirs = plan.lookers > 1
    return plan.restless ? restlessMs : this.#calmMs(plan.lookers)
  }

  /**
   * Nothing is claimed without connections to commit over. What is here goes to whoever can take it, at once: its decisions cannot become
   * durable. As long as nobody can, it is kept.
   */
  async #openConnections(survey: Survey): Promise<number> {
    const opening = this.#connections.open()
    void opening.then((areOpen) => areOpen && this.hint())
    // What was refused a moment ago may be had now: then nothing has to move.
    const areOpen = await Promise.race([opening, delay(this.#options.clock, restlessMs)])
    if (areOpen === true) return minLookMs
    const shares = sharesOf(survey)
    if (shares.size === 0 || shares.has(this.lease.hostId)) return restlessMs
    const { shards } = this.#options
    for (const { shard } of shards.lanes) {
      shards.drop(shard, 'there are no connections to commit over')
      this.#lookAgain = true
    }
    return restlessMs
  }

  /** Not always the same, for a hint makes all hosts look at the same moment, and then they would go on to. */
  #calmMs(lookers: number): number {
    const ms = lookers < 2 ? calmMs : Math.min(calmMs, calmMsPerHost * lookers)
    return ms * (0.75 + this.#options.random.fraction() / 2)
  }

  /** Shards that have been free for too long. */
  #overdue(survey: Survey, nowMs: number): ReadonlySet<number> {
    const overdue = new Set<number>()
    for (const { shard, alive } of survey.shards) {
      if (alive) this.#freeSince.delete(shard)
      else if (nowMs - this.#freeSince.getOrInsert(shard, nowMs) >= overdueMs) overdue.add(shard)
    }
    return overdue
  }

  #tellOfDead(survey: Survey): void {
    const dead = new Set(
      survey.shards.flatMap(({ owner, alive }) => (alive || owner === undefined ? [] : [owner])),
    )
    if (!dead.isSubsetOf(this.#dead)) tellOwnership(this.#options.bus, { kind: 'hosts' })
    this.#dead = dead
  }

  async #claim(wanted: readonly Claim[]): Promise<void> {
    const { store, shards, directory, bus } = this.#options
    const { hostId } = this.lease
    const claims = await store.claim(hostId, wanted)
    if (claims.length < wanted.length) this.#lookAgain = true
    if (claims.length === 0) return
    // A statement of its own, begun after the claim has committed.
    const heads = await store.heads(claims.map((claim) => claim.shard))
    if (this.lease.state !== 'member' || this.lease.hostId !== hostId || this.#stopped) return
    await Promise.all(claims.map(({ shard, epoch }, i) => shards.take(shard, epoch, heads[i] ?? 0)))
    for (const { shard, epoch } of claims) directory.served(shard, epoch)
    tellOwnership(bus, { kind: 'claimed', shards: claims })
  }

  /**
   * A few shards at a time, and the next when these have an owner, so that not everything is loaded anew at once. When nobody takes them, or
   * it takes long, the rest goes together; all within the time that one may take.
   */
  async #giveUpAll(endMs: number): Promise<void> {
    const { shards, clock } = this.#options
    const untilMs = clock.monotonic() + pacedMs
    let isPaced = this.#hasHeirs
    while (shards.lanes.length > 0) {
      const lanes = isPaced ? shards.lanes.slice(0, movesAtOnce) : shards.lanes
      const taken = this.#taken(lanes)
      const leftMs = (isPaced ? untilMs : endMs) - clock.monotonic()
      await this.#giveUp(
        lanes.map(({ shard }) => shard),
        Math.max(0, leftMs),
      )
      isPaced &&= clock.monotonic() < untilMs && (await taken)
    }
  }

  /** Whether all of these have another owner before long. */
  async #taken(lanes: readonly Lane[]): Promise<boolean> {
    const { directory, clock } = this.#options
    const outcome = Promise.withResolvers<boolean>()
    const timer = clock.after(takenMs, () => outcome.resolve(false))
    const waiting = new Set(lanes)
    const unwatch = lanes.map((lane) =>
      directory.watch(lane.shard, () => {
        if (directory.epochOf(lane.shard) > lane.epoch) waiting.delete(lane)
        if (waiting.size === 0) outcome.resolve(true)
      }),
    )
    const isTaken = await outcome.promise
    timer.cancel()
    for (const end of unwatch) end()
    return isTaken
  }

  /** Each shard is released as soon as it is done, so that its next owner need not wait for the slowest. */
  async #giveUp(wanted: readonly number[], limitMs = leaveLimitMs): Promise<void> {
    const { store, shards, bus, clock } = this.#options
    const leaving = shards.lanes.filter((lane) => wanted.includes(lane.shard))
    const give = async (lane: Lane): Promise<void> => {
      await shards.leave(lane.shard, limitMs)
      try {
        const release = store.release(this.lease.hostId, [lane])
        await (this.#draining ? atMost(clock, releaseMs, release) : release)
      } finally {
        // Where the release has failed, the next look finds a shard that is ours and not served, and releases it.
        shards.drop(lane.shard, 'it has been given up')
      }
      tellOwnership(bus, { kind: 'released', shards: [lane.shard] })
    }
    await Promise.all(leaving.map((lane) => this.#attempt(() => give(lane))))
  }

  async #attempt(run: () => Promise<void>): Promise<void> {
    try {
      await run()
    } catch (error) {
      reportShard({ shard: -1, epoch: 0, what: 'error', error })
    }
  }
}

/** Whether this host gives up all it has, rather than what is above its share. */
function isLeaving(survey: Survey, hostId: string): boolean {
  return survey.hosts.some(
    (host) => host.hostId === hostId && (host.draining || host.condition === 'cut off'),
  )
}
