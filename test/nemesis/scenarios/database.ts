/** F5, F6, F10: Postgres dies, is slow, is locked, or cannot be reached by one host. */

import { setTimeout as delay } from 'node:timers/promises'
import { leaseMs } from '#storage/cluster/leases.ts'
import { lockEvents } from '../database-faults.ts'
import { Returns } from '../returns.ts'
import type { Scenario } from '../scenario.ts'
import { inTurn, ms } from '../stage.ts'

const awayMs = 6000
/** An answer that was on its way when the database died. */
const graceMs = 100

const killed: Scenario = {
  id: 'F5',
  fault: `Postgres is killed with all its processes, away for ${awayMs / 1000} s, and started again`,
  required:
    'refused within 5 s and never acknowledged while it is down; served 5 s after it takes connections; no process is restarted',
  bounds: { worstMs: 5000, refusalMs: 5000 },
  repeats: [1, 8],
  seconds: 12,
  keepsProcesses: true,
  async run(stage, repeats) {
    const wrong: string[] = []
    const notes: string[] = []
    for (let n = 0; n < repeats; n++) {
      const act = async (): Promise<void> => {
        await stage.postgres.kill()
        const deadMs = performance.now()
        await delay(awayMs)
        const acknowledged = stage.crowd.acknowledgedBetween(deadMs + graceMs, performance.now())
        if (acknowledged > 0) wrong.push(`${acknowledged} messages were acknowledged without a database`)
        const startMs = performance.now()
        await stage.postgres.start()
        notes.push(`Postgres took ${ms(performance.now() - startMs)} to start`)
      }
      await stage.fault('Postgres is killed', act, 'from the end')
      await delay(2000)
    }
    return { wrong, notes }
  },
}

const bothKilled: Scenario = {
  id: 'F5b',
  fault: `Postgres and NATS are killed together, away for ${awayMs / 1000} s, and started again one after the other`,
  required:
    'refused within 5 s and never acknowledged; served 5 s after both are back; no process is restarted',
  bounds: { worstMs: 5000, refusalMs: 5000 },
  repeats: [1, 4],
  keepsProcesses: true,
  async run(stage, repeats) {
    const wrong: string[] = []
    const { postgres, arena, crowd } = stage
    for (let n = 0; n < repeats; n++) {
      const act = async (): Promise<void> => {
        await Promise.all([postgres.kill(), arena.nats.kill()])
        const deadMs = performance.now()
        await delay(awayMs)
        const acknowledged = crowd.acknowledgedBetween(deadMs + graceMs, performance.now())
        if (acknowledged > 0) wrong.push(`${acknowledged} messages were acknowledged without a database`)
        // Whichever comes back first.
        for (const back of n % 2 === 0 ? [postgres, arena.nats] : [arena.nats, postgres]) await back.start()
      }
      await stage.fault('Postgres and NATS are killed', act, 'from the end')
      await delay(2000)
    }
    return { wrong }
  },
}

const lateMs = 200
const slowMs = 8000

const slow: Scenario = {
  id: 'F6',
  fault: `every line to Postgres is ${lateMs} ms late each way for ${slowMs / 1000} s`,
  required:
    'slower and nothing else: no lease is lost, nothing is refused; all are served within 5 s of its end',
  bounds: { worstMs: 5000, failed: 0 },
  repeats: [1, 3],
  seconds: 12,
  keepsProcesses: true,
  async run(stage, repeats) {
    const wrong: string[] = []
    const notes: string[] = []
    for (let n = 0; n < repeats; n++) {
      const claims = await stage.claims()
      const beganMs = performance.now()
      const act = async (): Promise<void> => {
        for (const { postgres } of stage.arena.members) postgres.slow({ delayMs: lateMs })
        await delay(slowMs)
        for (const { postgres } of stage.arena.members) postgres.heal()
        notes.push(
          `meanwhile ${stage.crowd.acknowledgedBetween(beganMs, performance.now())} messages were acknowledged`,
        )
      }
      await stage.fault('Postgres is slow', act, 'from the end')
      const moved = (await stage.claims()) - claims
      if (moved > 0) wrong.push(`${moved} shards changed hands`)
    }
    return { wrong, notes }
  },
}

const lockSeconds = 20

const locked: Scenario = {
  id: 'F6b',
  fault: `somebody holds a lock on the table of events for ${lockSeconds} s`,
  required: 'messages wait or are refused within 5 s; no lease is lost; served within 2 s afterwards',
  bounds: { worstMs: 2000, refusalMs: 5000 },
  repeats: [1, 3],
  seconds: 23,
  keepsProcesses: true,
  async run(stage, repeats) {
    const wrong: string[] = []
    for (let n = 0; n < repeats; n++) {
      const claims = await stage.claims()
      await stage.fault(
        'the table of events is locked',
        () => lockEvents(stage.beside, lockSeconds),
        'from the end',
      )
      const moved = (await stage.claims()) - claims
      if (moved > 0) wrong.push(`${moved} shards changed hands`)
    }
    return { wrong }
  },
}

const cutMs = leaseMs + 5000

const cutOff: Scenario = {
  id: 'F10',
  fault: `one actor host cannot reach Postgres for ${cutMs / 1000} s; NATS it can`,
  required: 'others have its shards within the lease and 2 s; it comes back by itself within 5 s',
  bounds: { worstMs: leaseMs + 2000 },
  repeats: [1, 4],
  seconds: 15,
  keepsProcesses: true,
  async run(stage, repeats) {
    const returns = new Returns(stage)
    for (let n = 0; n < repeats; n++) {
      const host = inTurn(stage.arena.hosts, n)
      const beganMs = performance.now()
      await stage.fault(`${host.name} is cut off from Postgres`, () => host.postgres.hold())
      await delay(Math.max(0, beganMs + cutMs - performance.now()))
      host.postgres.heal()
      await returns.useful()
    }
    return returns.told()
  },
}

export const databaseScenarios = [killed, bothKilled, slow, locked, cutOff]
