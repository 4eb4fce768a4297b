/** F26: everything that can be done, at random, for as long as wished; afterwards every rule, and whether anything grows for good. */

import { setTimeout as delay } from 'node:timers/promises'
import { seededRandom } from '../../support/manual-clock.ts'
import { clockMissing, FalseClock } from '../clock.ts'
import { Growth } from '../growth.ts'
import type { Scenario, Told } from '../scenario.ts'
import { siegeFaults } from '../siege-faults.ts'
import { inTurn, ms, type Stage } from '../stage.ts'
import { Storm } from '../storm.ts'

const minuteMs = 60_000
/** Between two times at which all must be served and nothing happens. */
const rageMs = minuteMs
/** What processes hold is looked at so often. */
const lookEveryMs = 10_000
/** When the run is over, before it is looked at what is held. */
const idleMs = 10_000
/** Until a third of the run is over, everything fills for the first time. */
const warmUp = 1 / 3

/** The scenario for a run of so many minutes. */
export function siegeOf(minutes: number): Scenario {
  return {
    id: 'F26',
    fault: `all faults at random, one every four seconds, for ${minutes} minutes`,
    required:
      'every rule holds; all are served within 30 s whenever it is calm; memory, files and tables do not grow for good',
    bounds: { worstMs: 30_000 },
    repeats: [1, 1],
    seconds: minutes * 60,
    stage: { hosts: 3, thinkMs: 1000 },
    run: (stage) => rage(stage, minutes * minuteMs),
  }
}

async function rage(stage: Stage, durationMs: number): Promise<Told> {
  await using clock = clockMissing() === undefined ? await FalseClock.make() : undefined
  if (clock !== undefined) await stage.arena.add('actors', clock.env)
  const { arena, beside } = stage
  const beganMs = performance.now()
  const told = { faults: 0 }
  const tell = (what: string): void => {
    told.faults++
    stage.tell(`${((performance.now() - beganMs) / minuteMs).toFixed(1)} min: ${what}`)
  }
  const storm = new Storm({
    arena,
    database: beside,
    random: seededRandom(stage.seed),
    tell,
    faults: siegeFaults(stage.postgres, clock),
    spared: new Set([inTurn(arena.hosts, 0), inTurn(arena.gateways, 0)]),
  })
  const growth = new Growth()
  const looking = setInterval(() => void growth.look(arena), lookEveryMs)
  try {
    let isWarm = false
    while (performance.now() < beganMs + durationMs) {
      const leftMs = beganMs + durationMs - performance.now()
      await Promise.race([storm.rage(Math.min(rageMs, leftMs)), stage.crowd.failed])
      await stage.fault(`calm after ${told.faults} faults`, () => {})
      stage.tell(`    ${stage.crowd.acknowledged} messages so far; ${await shardsText(stage)}`)
      if (isWarm || performance.now() < beganMs + durationMs * warmUp) continue
      isWarm = true
      await growth.lookAtTables(beside)
    }
  } finally {
    clearInterval(looking)
  }
  await stage.settled()
  await delay(idleMs)
  await growth.look(arena)
  await growth.lookAtTables(beside)
  for (const note of growth.notes()) stage.tell(`  ${note}`)
  const longest = Math.max(...stage.costs.map(({ recoveryMs }) => recoveryMs))
  return {
    notes: [
      ...growth.notes().slice(0, 3),
      `${told.faults} faults; served again within ${ms(longest)} whenever it was calm; no message waited for more than ${ms(stage.crowd.longestWaitMs(beganMs))}`,
    ],
    wrong: growth.findings(),
  }
}

async function shardsText(stage: Stage): Promise<string> {
  const shards = await Promise.all(
    stage.arena.hosts.map(async (host) => `${host.name} ${await stage.shardsOf(host)}`),
  )
  return `shards: ${shards.join(', ')}`
}
