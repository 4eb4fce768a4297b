/** Carries out what goes wrong, and puts it right again. */

import { raiseIncarnation } from '#storage/cluster/incarnation.ts'
import { beginAnew } from '#storage/cluster/restored.ts'
import type { Session } from '#storage/session.ts'
import { openModelDatabase } from './database.ts'
import type { Process } from './kernel.ts'
import type { Fault } from './script.ts'
import type { World } from './world.ts'

const failOverMs = 300
/** A request at an owner is carried out within this time, if nothing is wrong. Milliseconds. */
const claimedMs = 20
/** Everything is served again, most of the time. Milliseconds. */
const afterwardsMs = 1000
/** So long it takes the operator to find out that somebody has put the server back. Milliseconds. */
const untoldMs = 2000
/** Within this time hosts have looked at each other. Milliseconds. */
const lookedMs = 1250
/** So long before a process goes on something changes that it cannot know of. Milliseconds. */
const touchMs = 300
/** Of pauses that begin while the database answers. */
const whileAnswered = 0.5
/** When a process is asked after it has gone on. Milliseconds. */
const probesMs = [1, 2, 3, 4, 5, 8, 30, 150]

export class Nemesis {
  readonly #world: World
  readonly #undo = new Set<() => void>()
  /** Hosts that are to come back. */
  #returning = 0
  #isOver = false

  constructor(world: World) {
    this.#world = world
  }

  strike(fault: Fault): void {
    const world = this.#world
    world.trace(() => `fault ${JSON.stringify(fault)}`)
    switch (fault.kind) {
      case 'crash': {
        const host = pick(world.hosts, fault.host)
        host?.process.kill()
        return this.#back(fault.backAfterMs)
      }
      case 'crashOwner': {
        const owner = world.ownerOf(world.userOf(fault.person))
        // The last one is needed, for a script that is cut down keeps it.
        if (owner === undefined || world.hosts.length < 2) return
        owner.process.kill()
        return this.#back(fault.backAfterMs)
      }
      case 'lostSession':
        return this.#loseSession(pick(world.hosts, fault.host))
      case 'drain':
        return this.#drain(fault.host, fault.backAfterMs)
      case 'join':
        return world.hosts.length < 4 ? this.#back(0) : undefined
      case 'pause':
        return this.#pause(fault)
      case 'cutFromBus':
        return this.#forAWhile(fault, (process, on) => world.network.cut(process, on))
      case 'cutFromDatabase':
        return this.#forAWhile(fault, (process, on) =>
          on ? world.server.cutOff.add(process) : world.server.cutOff.delete(process),
        )
      case 'gatewayCrash':
        pick(world.gateways, fault.gateway)?.process.kill()
        return this.#later(200, () => void this.#startGateway())
      case 'busDown':
        world.network.setDown(true)
        return this.#later(fault.ms, () => world.network.setDown(false))
      case 'databaseRestart':
        world.server.stop()
        return this.#later(fault.ms, () => world.server.start())
      case 'failOver':
        return this.#failOver(fault.lostChanges)
      case 'snapshot':
        return this.#putBack(fault)
      case 'clock': {
        const process = pick(this.#processes(), fault.process)
        if (process !== undefined) process.skewMs = fault.skewMs
      }
    }
  }

  /** Whether hosts that have gone are still on their way back. */
  get isBusy(): boolean {
    return this.#returning > 0
  }

  /** Ends every fault at once, and sees to it that there are hosts and gateways. */
  heal(): void {
    this.#isOver = true
    for (const undo of this.#undo) undo()
    this.#undo.clear()
    if (this.#world.hosts.length + this.#returning === 0) this.#back(0)
    if (this.#world.gateways.length === 0) void this.#startGateway()
  }

  #processes(): Process[] {
    return [...this.#world.hosts, ...this.#world.gateways].map(({ process }) => process)
  }

  #forAWhile(
    fault: { readonly process: number; readonly ms: number },
    set: (process: Process, on: boolean) => void,
  ): void {
    const process = pick(this.#processes(), fault.process)
    if (process === undefined) return
    set(process, true)
    this.#later(fault.ms, () => set(process, false))
  }

  /** Its shards are claimed while its lease holds, and it is asked at once. */
  #loseSession(host: World['hosts'][number] | undefined): void {
    const world = this.#world
    if (host === undefined) return
    const topics = world.people.topics()
    world.server.locks.delete(Number(host.host.hostId))
    for (let ms = 50; ms <= lookedMs; ms += 50) {
      if (ms % 250 === 0) world.kernel.after(ms, () => world.people.touch())
      for (const through of [host, pick(world.gateways, ms)])
        world.kernel.after(ms, () => world.people.probe(through, topics))
    }
  }

  /** Whoever was away does not know what happened meanwhile, and is asked about it as soon as he is back. */
  #pause(fault: Extract<Fault, { kind: 'pause' }>): void {
    const world = this.#world
    const process = pick(this.#processes(), fault.process)
    if (process === undefined) return
    const stop = (): void => {
      process.pause()
      if (fault.isDeaf) world.network.cutOff.add(process)
    }
    // Who stops with an answer on its way reads when he goes on what was so before.
    if (world.random.fraction() < whileAnswered) world.server.onAnswer.set(process, stop)
    else stop()
    const topics = world.people.topics()
    const probe = (): void =>
      world.people.probe(
        world.hosts.find((one) => one.process === process),
        topics,
      )
    world.kernel.after(fault.ms - touchMs, () => world.people.touch())
    for (const beforeMs of [100, 20]) world.kernel.after(fault.ms - beforeMs, probe)
    this.#later(fault.ms, () => {
      world.server.onAnswer.delete(process)
      // Without a word, if it does not know that it had no connection; the bus may have been down meanwhile, which it was told of.
      if (fault.isDeaf) world.network.cut(process, false)
      process.resume()
      for (const afterMs of probesMs) world.kernel.after(afterMs, probe)
    })
  }

  /** Does something after a while, or when peace is made. */
  #later(ms: number, run: () => void): void {
    const once = (): void => {
      if (this.#undo.delete(once)) run()
    }
    this.#undo.add(once)
    this.#world.kernel.after(ms, once)
  }

  #back(afterMs: number): void {
    this.#returning++
    this.#later(afterMs, () => {
      void this.#world.startHost().then(() => this.#returning--)
    })
  }

  #drain(index: number, backAfterMs: number): void {
    const host = pick(this.#world.hosts, index)
    if (host === undefined) return
    void host.leave()
    // One that does not come to an end is killed, as a supervisor does it.
    this.#world.kernel.after(10_000, () => host.process.kill())
    this.#back(backAfterMs)
  }

  /** The server stops, is what it was before, and starts; then something more may happen. */
  #goBack(change: () => void, then: () => void = () => {}): void {
    const { lostEvents, server } = this.#world
    const before = new Set(server.tables.eventIds.keys())
    server.stop()
    change()
    lostEvents.lose(before)
    this.#world.lastFailOverMs = this.#world.kernel.nowMs
    this.#later(failOverMs, () => {
      server.start()
      then()
    })
  }

  /** Keys are given out in what may be lost, and asked for again. */
  #failOver(lostChanges: number): void {
    const { kernel, people, server } = this.#world
    people.claimKeys()
    this.#later(claimedMs, () =>
      this.#goBack(
        () => server.failOver(lostChanges),
        () => kernel.after(afterwardsMs, () => people.claimKeys()),
      ),
    )
  }

  #putBack({ isTold, lostChanges }: Extract<Fault, { kind: 'snapshot' }>): void {
    const world = this.#world
    const { incarnation } = world.server.tables
    const goBack = (): void => world.server.goBack(lostChanges)
    if (!isTold) {
      // An owner who writes to what was lost knows, and nobody else; where nobody writes, the operator says so.
      this.#later(untoldMs, () => {
        if (world.server.tables.incarnation === incarnation) void this.#operator(raiseIncarnation)
      })
      return this.#goBack(goBack, () => world.kernel.after(touchMs, () => world.people.stir()))
    }
    const hosts = world.hosts.length
    for (const process of this.#processes()) process.kill()
    this.#goBack(goBack, () => {
      void this.#operator(beginAnew).then(() => {
        for (let i = 0; i < hosts; i++) this.#back(0)
        void world.startGateway()
        void world.startGateway()
      })
    })
  }

  /** A command that is given until it is carried out. */
  async #operator(command: (session: Session) => Promise<void>): Promise<void> {
    const world = this.#world
    this.#returning++
    const { control } = openModelDatabase(world.server, world.process('operator'))
    for (;;) {
      try {
        await command(control)
        break
      } catch (error) {
        world.trace(() => `the operator's command failed: ${String(error)}`)
        await world.sleep(100)
      }
    }
    this.#returning--
  }

  async #startGateway(): Promise<void> {
    if (this.#isOver && this.#world.gateways.length > 0) return
    await this.#world.startGateway()
  }
}

function pick<T>(list: readonly T[], index: number): T | undefined {
  return list[index % Math.max(1, list.length)]
}
