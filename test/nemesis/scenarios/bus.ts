/** F3, F4, F4b–d, F11: NATS is away, comes and goes, stands still, loses one of its nodes, or cannot be reached by one host. */

import { setTimeout as delay } from 'node:timers/promises'
import type { NatsServer } from '../../support/nats.ts'
import type { Scenario, Told } from '../scenario.ts'
import { inTurn, ms, type Stage } from '../stage.ts'

const awayMs = 10_000
const waitMsMost = 2000

/** How clients fared in a time in which something was away. */
function fared(
  { crowd }: Stage,
  fromMs: number,
  toMs: number,
): { readonly notes: string[]; readonly dishonest: string[] } {
  const failures = crowd.failuresSince(fromMs).filter(({ atMs }) => atMs <= toMs)
  const refusalMs = Math.max(0, ...failures.map(({ tookMs }) => tookMs))
  const acknowledged = crowd.acknowledgedBetween(fromMs, toMs)
  return {
    // Whoever is not served is told so, and when to ask again.
    dishonest: failures
      .filter(({ status, saysWhen }) => status !== 503 || !saysWhen)
      .map(({ why }) => `not refused with 503 and Retry-After: ${why}`),
    notes: [
      `meanwhile ${acknowledged} messages were acknowledged and ${failures.length} attempts refused, each within ${ms(refusalMs)}`,
    ],
  }
}

const away: Scenario = {
  id: 'F3',
  fault: `NATS is killed and away for ${awayMs / 1000} s`,
  required: 'messages are refused (503) within 3.5 s; leases stay; all are served within 2 s of its return',
  bounds: { worstMs: 2000, refusalMs: 3500 },
  repeats: [1, 4],
  keepsProcesses: true,
  async run(stage, repeats) {
    const notes: string[] = []
    const wrong: string[] = []
    for (let n = 0; n < repeats; n++) {
      const claims = await stage.claims()
      const beganMs = performance.now()
      const act = async (): Promise<void> => {
        await stage.arena.nats.kill()
        await delay(awayMs)
        const meanwhile = fared(stage, beganMs, performance.now())
        notes.push(...meanwhile.notes)
        wrong.push(...meanwhile.dishonest)
        await stage.arena.nats.start()
      }
      await stage.fault('NATS is away', act, 'from the end')
      const moved = (await stage.claims()) - claims
      if (moved > 0) wrong.push(`${moved} shards changed hands`)
    }
    return { notes, wrong }
  },
}

const restarted: Scenario = {
  id: 'F4',
  fault: 'NATS is killed and started again at once, every 3 s',
  required: 'no message waits for more than 2 s; no subscription stays dead',
  bounds: { worstMs: 2000 },
  repeats: [2, 10],
  keepsProcesses: true,
  async run(stage, repeats) {
    for (let n = 0; n < repeats; n++) {
      await stage.fault('NATS is restarted', async () => {
        await stage.arena.nats.kill()
        await stage.arena.nats.start()
      })
      await delay(3000)
    }
    return {}
  },
}

const stillMs = 8000

const still: Scenario = {
  id: 'F4b',
  fault: `NATS stands still for ${stillMs / 1000} s (SIGSTOP) and goes on`,
  required:
    'refused within 5 s; what was asked before takes effect once; all are served within 2 s of its going on',
  bounds: { worstMs: 2000, refusalMs: 5000 },
  repeats: [1, 4],
  keepsProcesses: true,
  async run(stage, repeats) {
    const notes: string[] = []
    for (let n = 0; n < repeats; n++) {
      const beganMs = performance.now()
      const act = async (): Promise<void> => {
        stage.arena.nats.pause()
        await delay(stillMs)
        notes.push(...fared(stage, beganMs, performance.now()).notes)
        stage.arena.nats.resume()
      }
      await stage.fault('NATS stands still', act, 'from the end')
    }
    return { notes }
  },
}

/** Whoever is on the node that goes has the others to go to. */
const onNodes = { natsNodes: 3 }

const nodeKilled: Scenario = {
  id: 'F4c',
  fault: 'one of three NATS nodes, under `nats.conf`, is killed, away for 5 s, and started again',
  required: 'no message waits for more than 2 s; no shard changes hands; no process is restarted',
  bounds: { worstMs: 2000 },
  repeats: [3, 9],
  keepsProcesses: true,
  stage: onNodes,
  run: (stage, repeats) =>
    eachNode(stage, repeats, async (node) => {
      await stage.fault('a node is killed', () => node.kill())
      await delay(5000)
    }),
}

const nodeRetired: Scenario = {
  id: 'F4d',
  fault: 'one of three NATS nodes, under `nats.conf`, is taken away as a lame duck, and started again',
  required: 'no failed request; no message waits for more than 2 s; no shard changes hands',
  bounds: { worstMs: 2000, failed: 0 },
  repeats: [3, 9],
  keepsProcesses: true,
  stage: onNodes,
  run: (stage, repeats) =>
    eachNode(stage, repeats, async (node) => {
      await stage.fault('a node is taken away', () => node.retire(), 'from the end')
    }),
}

/** Takes one node after the other away, so that every process certainly loses its own, and brings it back. */
async function eachNode(
  stage: Stage,
  repeats: number,
  takeAway: (node: NatsServer) => Promise<void>,
): Promise<Told> {
  const claims = await stage.claims()
  const beganMs = performance.now()
  for (let n = 0; n < repeats; n++) {
    const node = inTurn(stage.arena.natsNodes, n)
    await takeAway(node)
    await node.start()
    await delay(2000)
  }
  const wrong: string[] = []
  const moved = (await stage.claims()) - claims
  if (moved > 0) wrong.push(`${moved} shards changed hands`)
  const waitMs = stage.crowd.longestWaitMs(beganMs)
  if (waitMs > waitMsMost) wrong.push(`a message waited for ${ms(waitMs)}`)
  return { wrong }
}

const cutMs = 12_000
/** A host that was cut off takes its share back after a minute, a few shards at a time; after two minutes the next time, and so on. */
const holdMs = 60_000
const backLimitMs = 20_000

const cutOff: Scenario = {
  id: 'F11',
  fault: `one actor host cannot reach NATS for ${cutMs / 1000} s; Postgres it can`,
  required: 'its rooms are served by others within 10 s; no flapping',
  bounds: { worstMs: 10_000, refusalMs: 5000 },
  repeats: [1, 2],
  keepsProcesses: true,
  async run(stage, repeats) {
    const notes: string[] = []
    const wrong: string[] = []
    for (let n = 0; n < repeats; n++) {
      const host = inTurn(stage.arena.hosts, n)
      const owned = await stage.shardsOf(host)
      const before = await stage.claims()
      const beganMs = performance.now()
      await stage.fault(`${host.name} is cut off from NATS`, () => host.nats.hold())
      const left = await stage.shardsOf(host)
      if (left > 0) wrong.push(`${host.name} still owns ${left} of ${owned} shards when all rooms are served`)
      await delay(Math.max(0, cutMs - (performance.now() - beganMs)))
      const away = (await stage.claims()) - before
      if (away !== owned) wrong.push(`${away} shards changed hands, and ${owned} had to`)
      await stage.fault(`${host.name} reaches NATS again`, () => host.nats.heal())
      await stage.crowd.until(
        async () => (await stage.shardsOf(host)) >= owned,
        holdMs * 2 ** Math.floor(n / stage.arena.hosts.length) + backLimitMs,
        () => `${host.name} has not got its share back`,
      )
      const moved = (await stage.claims()) - before
      notes.push(`${away} shards went to the other host, ${moved - away} came back`)
      if (moved > 2 * owned) wrong.push(`${moved} shards changed hands: they went to and fro`)
    }
    return { notes, wrong }
  },
}

export const busScenarios = [away, restarted, still, nodeKilled, nodeRetired, cutOff]
