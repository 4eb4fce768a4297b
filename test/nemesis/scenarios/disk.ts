/** F7: a disk of the database is full, for a while. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Scenario } from '../scenario.ts'
import { smallDiskMissing } from '../../support/small-disk.ts'
import { ms } from '../stage.ts'

const fullMs = 10_000
/** The pages of the tables have some room left, and what is tried already has its time. */
const graceMs = 6000

const full: Scenario = {
  id: 'F7',
  fault: `the disk of the tables is full for ${fullMs / 1000} s`,
  required:
    'refused within 5 s and never acknowledged; what was acknowledged stays; served 5 s after there is space again; no process is restarted',
  bounds: { worstMs: 5000, refusalMs: 5000 },
  repeats: [1, 3],
  missing: smallDiskMissing,
  stage: { smallDisk: { of: 'tables', megabytes: 96 } },
  keepsProcesses: true,
  async run(stage, repeats) {
    const wrong: string[] = []
    const { disk } = stage.postgres
    if (disk === undefined) throw new Error('the stage has no small disk')
    for (let n = 0; n < repeats; n++) {
      const act = async (): Promise<void> => {
        await disk.fill()
        await delay(fullMs)
        const nowMs = performance.now()
        const acknowledged = stage.crowd.acknowledgedBetween(nowMs - fullMs + graceMs, nowMs)
        if (acknowledged > 0) wrong.push(`${acknowledged} messages were acknowledged without space for them`)
        await disk.free()
      }
      const { failed } = await stage.fault('the disk is full', act, 'from the end')
      if (failed === 0) wrong.push('nothing was refused, so the disk was not full')
      await delay(2000)
    }
    return { wrong }
  },
}

const stopLimitMs = 20_000

const logFull: Scenario = {
  id: 'F7c',
  fault: `the disk of what Postgres writes ahead is full: Postgres stops by itself, and is started again when there is space`,
  required:
    'refused within 5 s and never acknowledged meanwhile; what was acknowledged stays; served 5 s after the start; no process of Troupe is restarted',
  bounds: { worstMs: 5000, refusalMs: 5000 },
  repeats: [1, 3],
  seconds: 25,
  missing: smallDiskMissing,
  stage: { smallDisk: { of: 'log', megabytes: 128 } },
  keepsProcesses: true,
  async run(stage, repeats) {
    const wrong: string[] = []
    const notes: string[] = []
    const { disk } = stage.postgres
    if (disk === undefined) throw new Error('the stage has no small disk')
    for (let n = 0; n < repeats; n++) {
      const act = async (): Promise<void> => {
        await disk.fill()
        const fullAtMs = performance.now()
        // Files that are there are written first.
        while ((await stage.postgres.isRunning()) && performance.now() - fullAtMs < stopLimitMs) {
          await stage.postgres.nextLogFile().catch(() => {})
          await delay(100)
        }
        if (await stage.postgres.isRunning()) wrong.push('Postgres goes on without space for its log')
        const stoppedMs = performance.now()
        notes.push(`Postgres stopped ${ms(stoppedMs - fullAtMs)} after its disk was full`)
        await delay(fullMs)
        const acknowledged = stage.crowd.acknowledgedBetween(stoppedMs, performance.now())
        if (acknowledged > 0) wrong.push(`${acknowledged} messages were acknowledged without a database`)
        await disk.free()
        await stage.postgres.start()
      }
      const { failed } = await stage.fault('the disk of the log is full', act, 'from the end')
      if (failed === 0) wrong.push('nothing was refused')
      await delay(2000)
    }
    return { wrong, notes }
  },
}

export const diskScenarios: readonly Scenario[] = [full, logFull]
