/** F8: a gateway dies under its clients. F16: the clock of a process jumps. */

import { setTimeout as delay } from 'node:timers/promises'
import { clockMissing, FalseClock, jumps } from '../clock.ts'
import type { Scenario } from '../scenario.ts'
import { inTurn } from '../stage.ts'

const killed: Scenario = {
  id: 'F8',
  fault: 'a gateway is killed (`kill -9`) under the long polls of its clients',
  required: 'the clients go on at another one with the same tokens within 1 s; nothing is lost or told twice',
  bounds: { typicalMs: 500, worstMs: 1000 },
  repeats: [2, 30],
  seconds: 5,
  async run(stage, repeats) {
    for (let n = 0; n < repeats; n++) {
      const gateway = inTurn(stage.arena.gateways, n)
      await stage.fault(`${gateway.name} is killed`, () => gateway.process.kill())
      await stage.arena.restart(gateway)
      stage.crowd.prefer(stage.arena.urls)
      await delay(1000)
    }
    return {}
  },
}

const unhurriedMs = 1500

const jumped: Scenario = {
  id: 'F16',
  fault:
    'the clock of one host and one gateway jumps by an hour forward, an hour back and ten years forward (libfaketime)',
  required: 'no shard changes hands, nothing is refused',
  bounds: { worstMs: 2000 },
  repeats: [1, 2],
  seconds: 10,
  missing: clockMissing,
  async run(stage, repeats) {
    await using clock = await FalseClock.make()
    const wrong: string[] = []
    for (const member of [inTurn(stage.arena.hosts, 0), inTurn(stage.arena.gateways, 0)]) {
      await member.process.stop()
      await stage.arena.restart(member, clock.env)
    }
    await stage.settled()
    for (let n = 0; n < repeats * jumps.length; n++) {
      const claims = await stage.claims()
      const jump = inTurn(jumps, n)
      await stage.fault(
        `the clock stands at ${jump} s`,
        async () => {
          await clock.set(jump)
          await delay(unhurriedMs)
        },
        'from the end',
      )
      const moved = (await stage.claims()) - claims
      if (moved > 0) wrong.push(`${moved} shards changed hands when the clock stood at ${jump} s`)
    }
    return { wrong }
  },
}

export const gatewayScenarios = [killed, jumped]
