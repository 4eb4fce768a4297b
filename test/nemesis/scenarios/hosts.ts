/** F1, F2, F9, F25: hosts that die, stand still, are doubled, or end by a fault of their own. */

import { setTimeout as delay } from 'node:timers/promises'
import { leaseMs } from '#storage/cluster/leases.ts'
import { takeShardsAway } from '../database-faults.ts'
import { Inspector } from '../inspector.ts'
import { Returns } from '../returns.ts'
import type { Scenario, Told } from '../scenario.ts'
import { inTurn } from '../stage.ts'

const killed: Scenario = {
  id: 'F1',
  fault: 'an actor host is killed (`kill -9`)',
  required: 'its rooms accept messages again within 0.5 s typically, 2 s at p99; nothing is lost',
  bounds: { typicalMs: 500, worstMs: 2000 },
  repeats: [4, 30],
  seconds: 6,
  async run(stage, repeats) {
    for (let n = 0; n < repeats; n++) {
      const host = inTurn(stage.arena.hosts, n)
      await stage.fault(`${host.name} is killed`, () => host.process.kill())
      await stage.arena.restart(host)
      await stage.settled()
    }
    return {}
  },
}

const pausedMs = leaseMs + 4000

const paused: Scenario = {
  id: 'F2',
  fault: `an actor host stands still for ${pausedMs / 1000} s (SIGSTOP) and goes on`,
  required:
    'others serve within the lease and 2 s; what it wakes up with is refused; useful again within 5 s',
  bounds: { worstMs: leaseMs + 2000 },
  repeats: [1, 4],
  seconds: 13,
  async run(stage, repeats) {
    const returns = new Returns(stage)
    for (let n = 0; n < repeats; n++) {
      const host = inTurn(stage.arena.hosts, n)
      const stoppedMs = performance.now()
      await stage.fault(`${host.name} stands still`, () => host.process.signal('SIGSTOP'))
      await delay(Math.max(0, stoppedMs + pausedMs - performance.now()))
      host.process.signal('SIGCONT')
      await returns.useful()
    }
    return returns.told()
  },
}

const disowned: Scenario = {
  id: 'F9',
  fault: 'the rows of ownership are changed by hand, and a host is started twice under one name',
  required: 'each claim has one epoch and one owner; no fork; served again within 2 s',
  bounds: { worstMs: 2000 },
  repeats: [2, 10],
  seconds: 5,
  async run(stage, repeats) {
    for (let n = 0; n < repeats; n++) {
      const host = inTurn(stage.arena.hosts, n)
      await stage.fault(`the shards of ${host.name} are taken away by hand`, () =>
        takeShardsAway(stage.beside, host.name),
      )
      await stage.settled()
    }
    const [first] = stage.arena.hosts
    const double = await stage.arena.add('actors', { TROUPE_HOST_NAME: first?.name ?? '' })
    await stage.fault('there are two hosts of one name', () => delay(1500), 'from the end')
    stage.arena.forget(double)
    const code = await double.process.stop()
    return { wrong: code === 0 ? [] : [`the second host of that name ended with ${code}`] }
  },
}

const faulty: Scenario = {
  id: 'F25',
  fault: 'an actor host ends by an error that nobody catches, or has no memory left, and is started again',
  required: 'as if it were killed: served within 2 s of its end; nothing is lost',
  bounds: { worstMs: 2000 },
  repeats: [2, 6],
  seconds: 9,
  // So that the fault can be put into the running process, and that its memory ends soon.
  stage: { env: { NODE_OPTIONS: '--inspect-port=0 --max-old-space-size=256' } },
  async run(stage, repeats): Promise<Told> {
    const sorts = ['error', 'memory'] as const
    for (let n = 0; n < repeats; n++) {
      const host = inTurn(stage.arena.hosts, n)
      const sort = inTurn(sorts, n)
      const inspector = await Inspector.attach(host.process)
      await stage.fault(`${host.name} ends by ${sort}`, () => inspector.end(sort), 'from the end')
      await stage.arena.restart(host)
      await stage.settled()
    }
    return {}
  },
}

export const hostScenarios = [killed, paused, disowned, faulty]
