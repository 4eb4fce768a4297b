/** F1, F2, F9, F23, F25: hosts that die, stand still, are doubled, are replaced, or end by a fault of their own. */

import { setTimeout as delay } from 'node:timers/promises'
import { leaseMs } from '#storage/cluster/leases.ts'
import { takeShardsAway, writesOfOldEpochs } from '../database-faults.ts'
import { Inspector } from '../inspector.ts'
import type { Scenario, Told } from '../scenario.ts'
import { inTurn, ms, type Stage } from '../stage.ts'

const killed: Scenario = {
  id: 'F1',
  fault: 'an actor host is killed (`kill -9`)',
  required: 'its rooms accept messages again within 0.5 s typically, 2 s at p99; nothing is lost',
  bounds: { typicalMs: 500, worstMs: 2000 },
  repeats: [4, 30],
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
  async run(stage, repeats) {
    const useful: number[] = []
    for (let n = 0; n < repeats; n++) {
      const host = inTurn(stage.arena.hosts, n)
      const stoppedMs = performance.now()
      await stage.fault(`${host.name} stands still`, () => host.process.signal('SIGSTOP'))
      await delay(Math.max(0, stoppedMs + pausedMs - performance.now()))
      host.process.signal('SIGCONT')
      const beganMs = performance.now()
      await stage.settled()
      useful.push(performance.now() - beganMs)
    }
    const zombies = await writesOfOldEpochs(stage.beside)
    const slowest = Math.max(...useful)
    return {
      notes: [`rows by an old epoch after a claim: ${zombies}`, `useful again after ${ms(slowest)}`],
      wrong: [
        ...(zombies === 0 ? [] : [`${zombies} rows were written under an old epoch after a claim`]),
        ...(slowest <= 5000 ? [] : [`a host was useful again only after ${ms(slowest)}`]),
      ],
    }
  },
}

const disowned: Scenario = {
  id: 'F9',
  fault: 'the rows of ownership are changed by hand, and a host is started twice under one name',
  required: 'each claim has one epoch and one owner; no fork; served again within 2 s',
  bounds: { worstMs: 2000 },
  repeats: [2, 10],
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

const rolled: Scenario = {
  id: 'F23',
  fault: 'every process is replaced, one after the other (drained, stopped, started)',
  required: 'no failed request, no gap; each ends within 5 s',
  bounds: { worstMs: 2000, failed: 0 },
  repeats: [1, 4],
  async run(stage, repeats) {
    const drains: number[] = []
    for (let n = 0; n < repeats; n++) {
      for (const host of stage.arena.hosts) {
        await stage.fault(
          `${host.name} drains and is replaced`,
          async () => drains.push(await replaced(stage, host)),
          'from the end',
        )
        await stage.settled()
      }
      for (const gateway of stage.arena.gateways) {
        // As an operator does: first whoever sends clients here is told.
        stage.crowd.prefer(stage.arena.urls.filter((url) => url !== gateway.process.url))
        await stage.fault(
          `${gateway.name} is replaced`,
          async () => drains.push(await replaced(stage, gateway)),
          'from the end',
        )
        stage.crowd.prefer(stage.arena.urls)
      }
    }
    const slowest = Math.max(...drains)
    return {
      notes: [`each ended within ${ms(slowest)}`],
      wrong: slowest <= 5000 ? [] : [`one took ${ms(slowest)} to end`],
    }
  },
}

/** Stops a member and starts it again. Returns how long the stop took; rejects when it was not in good order. */
async function replaced({ arena }: Stage, member: Stage['arena']['members'][number]): Promise<number> {
  const beganMs = performance.now()
  const code = await member.process.stop()
  const tookMs = performance.now() - beganMs
  if (code !== 0) throw new Error(`${member.name} ended with ${code}`)
  await arena.restart(member)
  return tookMs
}

const faulty: Scenario = {
  id: 'F25',
  fault: 'an actor host ends by an error that nobody catches, or has no memory left, and is started again',
  required: 'as if it were killed: served within 2 s of its end; nothing is lost',
  bounds: { worstMs: 2000 },
  repeats: [2, 6],
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

export const hostScenarios = [killed, paused, disowned, rolled, faulty]
