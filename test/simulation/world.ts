/** One run: a cluster, people, and what the script says happens to them; then peace, and a look at what is left. */

import type { Asker } from '#actors/runtime/client.ts'
import type { Random } from '#actors/runtime/clock.ts'
import { shardOf } from '#actors/runtime/shards.ts'
import { MatrixError } from '#protocol/errors.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { parseUserId, type UserId } from '#protocol/ids/user-id.ts'
import { UnsafeSettings } from '#storage/settings.ts'
import { createRequest } from '#test/support/room-builder.ts'
import { type SweepPace, usualPace } from '#actors/sweep/log-sweep.ts'
import { checkAll } from './checks.ts'
import {
  serverName,
  startGateway,
  startHost,
  type Entrance,
  type SimulatedHost,
  type Surroundings,
} from './cluster.ts'
import { Device } from './device.ts'
import { Kernel, Process } from './kernel.ts'
import { Nemesis } from './nemesis.ts'
import { goodBus, Network } from './network.ts'
import { randomOf } from './random.ts'
import { People, refusalOf } from './people.ts'
import { isAction, personCount, roomCount, type Script } from './script.ts'
import { passwordHash } from './session.ts'
import { goodServer, safeSettings, Server } from './server.ts'
import { LostEvents, staleMs } from './truth.ts'
import { typeInPeace, untilNobodyTypes } from './typing.ts'
import { watch } from './watch.ts'

/** A rule that did not hold. */
export interface Finding {
  readonly rule: string
  readonly what: string
  readonly atMs: number
}

const shardCount = 6
/** A client waits so long for any answer, milliseconds. */
const clientPatienceMs = 12_000
/**
 * After the last fault everything is served again within this time: a call of the committer whose answer was lost is given up after ten seconds, and
 * a shard that is given up meanwhile waits three for it; then a look, a reload.
 */
const recoveryMs = 14_000
/** What was lost on the bus is found out by a poll within this time. */
const calmMs = 1500
/** Of runs in which the bus falls silent in the end. */
const silences = 0.25
/** Of runs in which people type when everything has come to rest. */
const typings = 0.25
/** Two polls of all heads, and what is looked for after each. */
const pollMs = 8000
/** Of runs whose server is set up so that it answers before it has written. */
const carelessness = 0.03
/** Such a server, where somebody trusts it, is stopped then. Milliseconds. */
const restartedMs = 5000
/** How often an answer gets lost, a client asks once more to be sure, or shows a token of another version. */
const losses = { answer: 0.05, trust: 0.15, version: 0.02 }
/** Between two attempts of a last sync. */
const askAgainMs = 200
const maxFindings = 20
const maxLooks = 8
/** Everybody may set the topic of a room, and there is one. */
const firstState = [
  { type: 'm.room.power_levels', stateKey: '', content: { state_default: 0 } },
  { type: 'm.room.topic', stateKey: '', content: { topic: 'the first' } },
]

export class World implements Surroundings {
  readonly random: Random
  readonly kernel: Kernel
  readonly network: Network
  readonly server: Server
  readonly shardCount = shardCount
  readonly committers: number
  readonly sweepPace: SweepPace
  readonly hosts: SimulatedHost[] = []
  readonly gateways: Entrance[] = []
  readonly devices: Device[] = []
  readonly people = new People(this)
  readonly lostEvents: LostEvents
  readonly findings: Finding[] = []
  readonly traced: string[] = []
  lastFailOverMs = Number.NEGATIVE_INFINITY
  readonly #script: Script
  readonly #nemesis: Nemesis
  readonly #isTraced: boolean
  readonly #rooms: RoomId[] = []
  readonly #users: UserId[]
  #started = 0
  #isCalm = true
  #peaceMs = 0

  constructor(seed: number, script: Script, options: { traced?: boolean } = {}) {
    this.random = randomOf(seed, 1)
    this.kernel = new Kernel(this.random)
    this.network = new Network(this.kernel)
    this.server = new Server(this.kernel, shardCount)
    this.lostEvents = new LostEvents(this.server)
    this.#script = script
    this.committers = script.committers
    this.sweepPace = drawPace(randomOf(seed, 2))
    if (randomOf(seed, 3).fraction() < carelessness)
      this.server.settings = { ...safeSettings, synchronousCommit: 'off' }
    this.#nemesis = new Nemesis(this)
    this.#isTraced = options.traced ?? false
    this.#users = Array.from({ length: personCount }, (_, i) => parseUserId(`@u${i}:${serverName}`))
  }

  /** Runs the whole script, and says what was found wrong. */
  async run(): Promise<readonly Finding[]> {
    using _watching = watch(this)
    await this.#until(this.#begin(), 30_000, 'the beginning')
    this.#isCalm = false
    this.server.keepAll()
    this.network.faults = this.#script.bus
    this.server.faults = this.#script.server
    const running = this.devices.map((device) => device.run())
    const acting: Promise<void>[] = []
    const startMs = this.kernel.nowMs
    if (this.server.settings !== safeSettings)
      this.kernel.after(restartedMs, () => this.#nemesis.strike({ kind: 'databaseRestart', ms: 500 }))
    for (const step of this.#script.steps) {
      await this.kernel.advance(Math.max(0, startMs + step.atMs - this.kernel.nowMs))
      if (isAction(step)) acting.push(this.people.act(step))
      else this.#nemesis.strike(step)
      if (this.findings.length > maxFindings) return this.findings
    }
    this.#heal()
    await this.#recover()
    await this.#until(Promise.all(acting), 40_000, 'what people asked')
    await untilNobodyTypes(this)
    await this.#typeInPeace()
    await this.#silence()
    const epochs = this.server.tables.shards.map(({ epoch }) => epoch)
    await this.#until(this.people.settled(), 20_000, 'what was asked beside')
    for (const device of this.devices) device.stop()
    await this.#until(Promise.all(running), 30_000, 'the syncs under way')
    await this.#until(this.#lastLooks(), 30_000, 'the last syncs')
    this.#checkBalance(epochs)
    await checkAll(this)
    return this.findings
  }

  /** A start has failed: whoever runs the server reads why. */
  #notStarted(process: Process, error: unknown): void {
    this.trace(() => `${process.name} did not start: ${String(error)}`)
    process.kill()
    if (error instanceof UnsafeSettings) this.server.settings = safeSettings
  }

  /** Starts another host. A start that fails is tried again, as a supervisor does. */
  async startHost(): Promise<void> {
    for (;;) {
      const process = this.process('host')
      try {
        const host = await startHost(process, this)
        if (!process.isAlive) return
        this.hosts.push(host)
        process.onDeath(() => remove(this.hosts, host))
        this.trace(() => `${process.name} serves as ${host.host.hostId}`)
        return
      } catch (error) {
        this.#notStarted(process, error)
        await this.sleep(300)
      }
    }
  }

  /** Starts another gateway, and tries again as with a host. */
  async startGateway(): Promise<void> {
    for (;;) {
      const process = this.process('gateway')
      try {
        const gateway = await startGateway(process, this)
        this.gateways.push(gateway)
        process.onDeath(() => remove(this.gateways, gateway))
        return
      } catch (error) {
        this.#notStarted(process, error)
        await this.sleep(300)
      }
    }
  }

  /** Processes that clients can talk to at this moment. */
  get entrances(): Entrance[] {
    return [...this.gateways, ...this.hosts]
  }

  /** A request of a client through some process; that process may end before it has answered. */
  request<T>(run: (ask: Asker, through: Entrance) => Promise<T>, through?: Entrance): Promise<T> {
    const { entrances } = this
    const isOpen = through?.process.isAlive === true
    const entrance = isOpen ? through : entrances[Math.floor(this.random.fraction() * entrances.length)]
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const lose = (): void => reject(new Unanswered())
    const patience = this.kernel.after(clientPatienceMs, lose)
    if (entrance === undefined) lose()
    else {
      const { process } = entrance
      process.onDeath(lose)
      const answer = (settle: () => void): void => void this.kernel.after(this.random.fraction(), settle)
      const ask = (): void => {
        run(entrance.ask, entrance).then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => reject(error)),
        )
      }
      this.kernel.after(this.random.fraction(), ask, process)
    }
    return promise.finally(() => patience.cancel())
  }

  /** Whether the database has lost commits in this run. */
  get hasGoneBack(): boolean {
    return this.lastFailOverMs >= 0
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.kernel.after(ms, resolve))
  }

  /** Whether something happens that happens now and then while faults are on. */
  loses(what: keyof typeof losses): boolean {
    return !this.#isCalm && this.random.fraction() < losses[what]
  }

  /** A failure of a request: the refusal, if it says what became of it. Any other than those that can be expected is found wrong. */
  refused(what: string, error: unknown): MatrixError | undefined {
    const refusal = refusalOf(error)
    const expected = error instanceof Unanswered || (error instanceof MatrixError && error.status !== 500)
    if (!expected || (what === 'sync' && refusal !== undefined))
      this.found('refusal', `${what}: ${error instanceof Error ? error.stack : String(error)}`)
    return refusal
  }

  userOf(person: number): UserId {
    const user = this.#users[person % this.#users.length]
    if (user === undefined) throw new Error('there is nobody')
    return user
  }

  get users(): readonly UserId[] {
    return this.#users
  }

  get rooms(): readonly RoomId[] {
    return this.#rooms
  }

  roomOf(room: number): RoomId {
    const roomId = this.#rooms[room % this.#rooms.length]
    if (roomId === undefined) throw new Error('there is no room')
    return roomId
  }

  /** The host that owns the shard of a room or a user, if it is one that runs. */
  ownerOf(key: RoomId | UserId): Entrance | undefined {
    const owner = this.server.tables.shards[shardOf(key, shardCount)]?.owner
    return this.hosts.find(({ host, process }) => process.isRunning && Number(host.hostId) === owner)
  }

  /** How far the shards have come by what this user has had answered: shard → position. */
  positionsWritten(userId: string): ReadonlyMap<number, number> {
    const written = new Map<number, number>()
    for (const asked of this.people.history) {
      if (asked.userId !== userId || asked.outcome !== 'done') continue
      for (const eventId of asked.eventIds) {
        const pos = this.server.tables.events.get(this.server.tables.eventIds.get(eventId) ?? -1)?.['pos']
        if (typeof pos !== 'number' || asked.roomId === undefined) continue
        const shard = shardOf(asked.roomId, shardCount)
        written.set(shard, Math.max(written.get(shard) ?? 0, pos))
      }
    }
    return written
  }

  found(rule: string, what: string): void {
    // Until every process has noticed that the database went back, one may ask it for what is no more: an error is an honest answer.
    const isExcused =
      (rule === 'C10' || rule === 'refusal') && this.kernel.nowMs - this.lastFailOverMs < staleMs
    if (isExcused) return this.trace(() => `excused ${rule}: ${what}`)
    this.findings.push({ rule, what, atMs: this.kernel.nowMs })
    this.trace(() => `FOUND ${rule}: ${what}`)
  }

  trace(line: () => string): void {
    if (this.#isTraced) this.traced.push(`${this.kernel.nowMs.toFixed(1).padStart(9)} ${line()}`)
  }

  /** Lets time go on until something has ended; that it does not is found wrong. */
  async #until(work: Promise<unknown>, limitMs: number, what: string): Promise<void> {
    let isOver = false
    const over = work.then(
      () => {
        isOver = true
      },
      (error: unknown) => {
        isOver = true
        this.found('liveness', `${what} failed: ${error instanceof Error ? error.stack : String(error)}`)
      },
    )
    const endMs = this.kernel.nowMs + limitMs
    while (!isOver && this.kernel.nowMs < endMs) await this.kernel.advance(100, () => isOver)
    if (isOver) await over
    else this.found('liveness', `${what} did not end within ${limitMs} ms`)
  }

  async #begin(): Promise<void> {
    await Promise.all(Array.from({ length: this.#script.hosts }, () => this.startHost()))
    await this.startGateway()
    await this.startGateway()
    for (const [i, userId] of this.#users.entries()) {
      // The first person has two devices, which see the same.
      for (let d = 0; d < (i === 0 ? 2 : 1); d++) await this.#register(userId, `D${d}`, d === 0)
    }
    for (let i = 0; i < roomCount; i++) {
      const isOpen = i < roomCount - 1
      const creator = this.userOf(i)
      const at = 1_700_000_000_000 + i
      const request = createRequest({
        creator,
        at,
        joinRule: isOpen ? 'public' : 'invite',
        state: firstState,
      })
      const { roomId } = await this.request((ask) => ask.ask('room', request.roomId, 'create', request))
      this.#rooms.push(roomId)
      for (const userId of isOpen ? this.#users : []) {
        const joining = { sender: userId, target: userId, action: 'join', profile: {} } as const
        if (userId !== this.userOf(i))
          await this.request((ask) => ask.ask('room', roomId, 'membership', joining))
      }
    }
  }

  async #register(userId: UserId, deviceId: string, isFirst: boolean): Promise<void> {
    const tokenHash = Buffer.from(`${userId} ${deviceId}`).toString('base64')
    const session = { deviceId, tokenHash }
    await this.request((ask) =>
      isFirst
        ? ask.ask('user', userId, 'register', { admin: false, passwordHash, session })
        : ask.ask('user', userId, 'login', { passwordHash, session }),
    )
    const limit = 3 + Math.floor(this.random.fraction() * 10)
    this.devices.push(new Device(this, { userId, deviceId, limit, stateAfter: this.random.fraction() < 0.5 }))
  }

  #heal(): void {
    this.trace(() => 'peace')
    this.#isCalm = true
    this.#peaceMs = this.kernel.nowMs
    this.network.faults = goodBus
    this.server.faults = goodServer
    this.#nemesis.heal()
  }

  /** Every shard has an owner again who serves it, and what was lost on the way has been looked for. */
  async #recover(): Promise<void> {
    const endMs = this.kernel.nowMs + recoveryMs
    while (this.kernel.nowMs < endMs && !this.#isServed()) await this.kernel.advance(200)
    if (!this.#isServed())
      this.found('liveness', `shards are not served ${recoveryMs} ms after the last fault`)
    await this.kernel.advance(calmMs)
  }

  /**
   * Every shard has an owner who serves it and no one else does; every process that runs is a member and owns its share. One that was cut off
   * from the bus has none for a minute.
   */
  #isServed(): boolean {
    if (this.#nemesis.isBusy || !this.server.isCalm || this.hosts.some((host) => host.isLeaving)) return false
    const { hosts, shards } = this.server.tables
    // A host that is dead counts again when the database was started a moment ago, as long as its lease holds.
    const living = new Set(this.hosts.map(({ host }) => Number(host.hostId)))
    if ([...hosts].some(([id, { expiresAtMs }]) => expiresAtMs > this.kernel.nowMs && !living.has(id)))
      return false
    const takesPart = ({ host }: SimulatedHost): boolean =>
      hosts.get(Number(host.hostId))?.condition !== 'cut off'
    const share = shards.length / this.hosts.filter(takesPart).length
    return (
      shards.every(({ owner }) => this.hosts.some(({ host }) => Number(host.hostId) === owner)) &&
      this.hosts.every((simulated) => {
        const { host } = simulated
        const own = shards.flatMap(({ owner }, shard) => (owner === Number(host.hostId) ? [shard] : []))
        return (
          host.isMember &&
          this.server.isWell(Number(host.hostId)) &&
          host.ownedShards.toSorted((a, b) => a - b).join() === own.join() &&
          Math.abs(own.length - (takesPart(simulated) ? share : 0)) < 1
        )
      })
    )
  }

  /** Where everything has its owner, nothing moves any more. */
  #checkBalance(epochs: readonly number[]): void {
    for (const [shard, { epoch }] of this.server.tables.shards.entries())
      if (epoch !== epochs[shard])
        this.found(
          'balance',
          `shard ${shard} has changed hands without a reason: ${epochs[shard]} to ${epoch}`,
        )
  }

  /** It is tried in every fourth run, for it takes time: until nothing of before is on its way any more, for whoever sends something types no more. */
  async #typeInPeace(): Promise<void> {
    if (this.random.fraction() > typings) return
    await this.kernel.advance(Math.max(0, this.#peaceMs + recoveryMs - this.kernel.nowMs))
    await this.#until(typeInPeace(this), 20_000, 'typing')
  }

  /**
   * Nothing that is published arrives any more. Whoever waits is told all the same, by the poll of the heads. It is tried in every fourth
   * run, for it takes time.
   */
  async #silence(): Promise<void> {
    if (this.random.fraction() > silences) return
    this.trace(() => 'silence')
    this.network.isSilent = true
    // What was under way when it began may be waited for by clients that began before.
    await this.kernel.advance(calmMs)
    this.people.touch()
    const endMs = this.kernel.nowMs + pollMs
    await this.kernel.advance(calmMs)
    const late = (): Device[] => this.devices.filter((device) => device.isLate)
    while (this.kernel.nowMs < endMs && late().length > 0) await this.kernel.advance(200)
    for (const device of late())
      this.found('polling', `${device.name} was not told within ${pollMs} ms while the bus is silent`)
    this.network.isSilent = false
  }

  /** Every device syncs until it is told nothing more; again, where something was still on its way to a room meanwhile. */
  async #lastLooks(): Promise<void> {
    let written: string | undefined
    for (let i = 0; i < maxLooks && written !== this.#heads(); i++) {
      written = this.#heads()
      for (const device of this.devices) await this.#lookOf(device)
    }
  }

  async #lookOf(device: Device): Promise<void> {
    let before: string | undefined
    for (let i = 0; i < maxLooks && (before === undefined || before !== device.since); i++) {
      before = device.since
      await this.#syncPatiently(device)
    }
  }

  /** A commit whose answer was lost before peace is still waited for, and a sync that rests on it is refused as long; the client asks again. */
  async #syncPatiently(device: Device): Promise<void> {
    const endMs = this.kernel.nowMs + recoveryMs
    for (;;) {
      try {
        return await device.sync(0)
      } catch (error) {
        this.refused('sync', error)
        if (this.kernel.nowMs >= endMs) throw error
        await this.sleep(askAgainMs)
      }
    }
  }

  #heads(): string {
    return this.server.tables.history.map((log) => log.length).join()
  }

  /** Another process, with chance of its own. */
  process(kind: string): Process {
    return new Process(
      this.kernel,
      `${kind}${this.#started++}`,
      randomOf(this.#started, Math.floor(this.random.fraction() * 2 ** 31)),
    )
  }
}

/** In some runs what is void goes as soon as it can be, in some when it has lain for a while, and in some it stays. */
function drawPace(random: Random): SweepPace {
  const dice = random.fraction()
  if (dice < 0.2) return usualPace
  const intervalMs = dice < 0.7 ? 500 : 3000
  return { intervalMs, behindMs: intervalMs / 6, ageMs: Math.floor(random.fraction() * 2 * intervalMs) }
}

/** No answer came: the process has died, or the client has waited long enough. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered'
}

function remove<T>(list: T[], item: T): void {
  const at = list.indexOf(item)
  if (at !== -1) list.splice(at, 1)
}
