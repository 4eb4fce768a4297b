/** F23, F23b: processes that are replaced in good order, and a host that hands its shards over while people talk and read. */

import { setTimeout as delay } from 'node:timers/promises'
import { listHosts, setDraining } from '#storage/cluster/leases.ts'
import type { Finding } from '../../cluster/checker.ts'
import type { Member } from '../arena.ts'
import { quantile } from '../report.ts'
import type { Scenario, Told } from '../scenario.ts'
import { inTurn, ms, type Stage } from '../stage.ts'

const quietMs = 3000
/** How much longer than usual anybody may wait for a message or a read while a host hands its shards over. */
const extraMs = 500
const endsWithinMs = 5000
const drainLimitMs = 20_000

/** What clients wait for when nothing happens, and what they waited for meanwhile. */
class Waits {
  readonly #stage: Stage
  readonly #usual = { messages: [] as number[], reads: [] as number[] }
  readonly #longest = { messages: [] as number[], reads: [] as number[] }

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** Looks on for a while in which nothing happens. */
  async quiet(): Promise<void> {
    const { crowd } = this.#stage
    const fromMs = performance.now()
    await delay(quietMs)
    this.#usual.messages.push(...crowd.waits(fromMs, performance.now()))
    this.#usual.reads.push(...this.#stage.readWaits(fromMs, performance.now()))
  }

  /** Something has happened in that time. */
  add(fromMs: number, toMs: number): void {
    this.#longest.messages.push(this.#stage.crowd.longestWaitMs(fromMs, toMs))
    this.#longest.reads.push(Math.max(0, ...this.#stage.readWaits(fromMs, toMs)))
  }

  told(): Required<Told> {
    const notes: string[] = []
    const wrong: Finding[] = []
    for (const sort of ['messages', 'reads'] as const) {
      const usual = quantile(this.#usual[sort], 0.99)
      const longest = this.#longest[sort].map((wait) => wait - usual)
      const slow = longest.filter((more) => more > extraMs)
      const worst = Math.max(...longest)
      const half = quantile(longest, 0.5)
      notes.push(
        `the longest wait for ${sort} above the p99 of ${ms(usual)}: ${ms(half)} typically, ${ms(worst)} at most`,
      )
      if (slow.length > 0)
        wrong.push(
          `in ${slow.length} of ${longest.length} times ${sort} waited for more than ${ms(extraMs)} above the p99, at most ${ms(worst)}`,
        )
    }
    return { notes, wrong }
  }
}

/** Stops a member and starts it again. Returns how long the stop took; rejects when it was not in good order. */
async function replaced({ arena, crowd }: Stage, member: Member, waits: Waits): Promise<number> {
  const beganMs = performance.now()
  const code = await member.process.stop()
  const tookMs = performance.now() - beganMs
  if (code !== 0) throw new Error(`${member.name} ended with ${code}`)
  // Whoever waited because of it has been served then; a process that starts is another load.
  await crowd.recovery(drainLimitMs)
  waits.add(beganMs, performance.now())
  await arena.restart(member)
  return tookMs
}

/** What `troupe drain` does, without the load that the command itself is. */
async function drain(stage: Stage, member: Member): Promise<void> {
  const hosts = await listHosts(stage.beside.reads)
  const host = hosts.find(({ name, alive }) => alive && name === member.name)
  if (host === undefined) throw new Error(`${member.name} is not alive`)
  await setDraining(stage.beside.control, host.hostId, true)
  await stage.crowd.until(
    async () => (await stage.shardsOf(member)) === 0,
    drainLimitMs,
    () => `${member.name} still has shards`,
  )
}

function slowEnds(drains: readonly number[]): Required<Told> {
  const slowest = Math.max(...drains)
  return {
    notes: [`each ended within ${ms(slowest)}`],
    wrong: slowest <= endsWithinMs ? [] : [`one took ${ms(slowest)} to end`],
  }
}

const rolled: Scenario = {
  id: 'F23',
  fault: 'every process is replaced, one after the other (drained, stopped, started)',
  required: `no failed request, no gap; nobody waits for more than ${extraMs} ms above the usual p99; each ends within 5 s`,
  bounds: { worstMs: 2000, failed: 0 },
  repeats: [1, 4],
  seconds: 35,
  stage: { readers: 2 },
  async run(stage, repeats) {
    const drains: number[] = []
    const waits = new Waits(stage)
    for (let n = 0; n < repeats; n++) {
      for (const host of stage.arena.hosts) {
        await waits.quiet()
        await stage.fault(
          `${host.name} drains and is replaced`,
          async () => drains.push(await replaced(stage, host, waits)),
          'from the end',
        )
        await stage.settled()
      }
      for (const gateway of stage.arena.gateways) {
        // As an operator does: first whoever sends clients here is told.
        stage.prefer(stage.arena.urls.filter((url) => url !== gateway.process.url))
        await stage.fault(
          `${gateway.name} is replaced`,
          async () => drains.push(await replaced(stage, gateway, waits)),
          'from the end',
        )
        stage.prefer(stage.arena.urls)
      }
    }
    const ends = slowEnds(drains)
    const waited = waits.told()
    return { notes: [...ends.notes, ...waited.notes], wrong: [...ends.wrong, ...waited.wrong] }
  },
}

const drained: Scenario = {
  id: 'F23b',
  fault: 'one of three hosts hands its shards over (`troupe drain`), then ends, and comes again',
  required: `no failed request; nobody waits for more than ${extraMs} ms above the usual p99, be it for a message or a read`,
  bounds: { worstMs: 2000, failed: 0 },
  repeats: [2, 20],
  seconds: 14,
  stage: { hosts: 3, readers: 2 },
  async run(stage, repeats) {
    const drains: number[] = []
    const waits = new Waits(stage)
    for (let n = 0; n < repeats; n++) {
      await waits.quiet()
      const host = inTurn(stage.arena.hosts, n)
      const act = async (): Promise<void> => {
        const fromMs = performance.now()
        await drain(stage, host)
        await stage.crowd.recovery(drainLimitMs)
        waits.add(fromMs, performance.now())
        const stoppedMs = performance.now()
        const code = await host.process.stop()
        drains.push(performance.now() - stoppedMs)
        if (code !== 0) throw new Error(`${host.name} ended with ${code}`)
      }
      await stage.fault(`${host.name} drains`, act, 'from the end')
      await stage.arena.restart(host)
      await stage.settled()
    }
    const ends = slowEnds(drains)
    const waited = waits.told()
    return { notes: [...ends.notes, ...waited.notes], wrong: [...ends.wrong, ...waited.wrong] }
  },
}

export const drainScenarios = [rolled, drained]
