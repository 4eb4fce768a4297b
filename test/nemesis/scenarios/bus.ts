/** F3, F4, F4b, F11: NATS is away, comes and goes, stands still, or cannot be reached by one host. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Scenario } from '../scenario.ts'
import { inTurn, ms, type Stage } from '../stage.ts'

const awayMs = 10_000

/** How clients fared in a time in which something was away. */
function fared(
  { crowd }: Stage,
  fromMs: number,
  toMs: number,
): { readonly notes: string[]; readonly refusalMs: number } {
  const failures = crowd.failuresSince(fromMs).filter(({ atMs }) => atMs <= toMs)
  const refusalMs = Math.max(0, ...failures.map(({ tookMs }) => tookMs))
  const acknowledged = crowd.acknowledgedBetween(fromMs, toMs)
  return {
    refusalMs,
    notes: [
      `meanwhile ${acknowledged} messages were acknowledged and ${failures.length} attempts refused, each within ${ms(refusalMs)}`,
    ],
  }
}

const away: Scenario = {
  id: 'F3',
  fault: `NATS is killed and away for ${awayMs / 1000} s`,
  required: 'messages are refused (503) within 3 s; leases stay; all are served within 2 s of its return',
  bounds: { worstMs: 2000, refusalMs: 3500 },
  repeats: [1, 4],
  async run(stage, repeats) {
    const notes: string[] = []
    const wrong: string[] = []
    for (let n = 0; n < repeats; n++) {
      const claims = await stage.claims()
      const beganMs = performance.now()
      const act = async (): Promise<void> => {
        await stage.arena.nats.kill()
        await delay(awayMs)
        notes.push(...fared(stage, beganMs, performance.now()).notes)
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
    'refused within 8 s; what was asked before takes effect once; all are served within 2 s of its going on',
  bounds: { worstMs: 2000, refusalMs: 8000 },
  repeats: [1, 4],
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

const cutMs = 12_000

const cutOff: Scenario = {
  id: 'F11',
  fault: `one actor host cannot reach NATS for ${cutMs / 1000} s; Postgres it can`,
  required: 'its rooms are refused (503) within 10 s; no flapping; all are served within 5 s of its return',
  bounds: { worstMs: 5000, refusalMs: 10_500 },
  repeats: [1, 4],
  async run(stage, repeats) {
    const notes: string[] = []
    const wrong: string[] = []
    for (let n = 0; n < repeats; n++) {
      const host = inTurn(stage.arena.hosts, n)
      const claims = await stage.claims()
      const beganMs = performance.now()
      const act = async (): Promise<void> => {
        host.nats.hold()
        await delay(cutMs)
        notes.push(...fared(stage, beganMs, performance.now()).notes)
        host.nats.heal()
      }
      await stage.fault(`${host.name} is cut off from NATS`, act, 'from the end')
      const moved = (await stage.claims()) - claims
      notes.push(`${moved} shards changed hands`)
      if (moved > 64) wrong.push(`${moved} shards changed hands: they went to and fro`)
      await stage.settled()
    }
    return { notes, wrong }
  },
}

export const busScenarios = [away, restarted, still, cutOff]
