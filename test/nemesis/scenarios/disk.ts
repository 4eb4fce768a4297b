/** F7: the disk on which the tables are is full, for a while. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Scenario } from '../scenario.ts'
import { smallDiskMissing } from '../small-disk.ts'

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
  stage: { smallDiskMegabytes: 96 },
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

export const diskScenarios: readonly Scenario[] = [full]
