/** What happens in a long storm beside what happens in every one: all that is also done one at a time and does not end a process by its own fault. */

import { setTimeout as delay } from 'node:timers/promises'

import { leaseMs, listHosts, setDraining } from '#storage/cluster/leases.ts'
import { jumps, type FalseClock } from './clock.ts'
import { lockEvents, lockShardOf, takeShardsAway } from './database-faults.ts'
import type { PostgresServer } from './postgres-server.ts'
import type { Fault } from './scene.ts'
import { leaves, stormFaults } from './storm-faults.ts'

const postgresAwayMs = 3000
const stillMs = 6000
const cutMs = leaseMs + 3000
const drainMs = 4000
/** By then a process has thrown away the connections on which nothing is answered; until then it does nothing in good order. */
const noticedMs = 20_000
const lockSeconds = 2
const jumpMs = 3000
/** Hosts come and go between these numbers. */
const leastHosts = 3
const mostHosts = 5

const killPostgres =
  (postgres: PostgresServer): Fault =>
  async ({ tell }) => {
    tell(`Postgres is killed and away for ${postgresAwayMs} ms`)
    await postgres.kill()
    await delay(postgresAwayMs)
    await postgres.start()
  }

const stopNats: Fault = async ({ arena, tell }) => {
  tell(`NATS stands still for ${stillMs} ms`)
  arena.nats.pause()
  await delay(stillMs)
  arena.nats.resume()
}

const cutOff =
  (from: 'postgres' | 'nats'): Fault =>
  (scene) => {
    const host = scene.unharmed('actors')
    if (host === undefined || !scene.canStop) return
    scene.tell(`${host.name} cannot reach ${from} for ${cutMs} ms`)
    scene.forAWhile([host], cutMs, {
      stops: true,
      begin: (one) => one[from].hold(),
      end: (one) => one[from].heal(),
    })
  }

/** What it had open is dead and nobody tells it. */
const silence: Fault = (scene) => {
  const member = scene.unharmed(scene.between(0, 2) < 1 ? 'actors' : 'gateway')
  if (member === undefined || !scene.canStop) return
  scene.tell(`the connections of ${member.name} are dead, and it is not told`)
  scene.forAWhile([member], noticedMs, {
    stops: member.role === 'actors',
    begin: ({ postgres, nats }) => [postgres, nats].forEach((line) => line.silence()),
    end: () => {},
  })
}

const resetLines: Fault = (scene) => {
  const member = scene.unharmed(scene.between(0, 2) < 1 ? 'actors' : 'gateway')
  if (member === undefined) return
  scene.tell(`all connections of ${member.name} are reset`)
  member.postgres.reset()
  member.nats.reset()
}

const drainHost: Fault = async (scene) => {
  const host = scene.unharmed('actors')
  if (host === undefined || !scene.canStop) return
  const { database } = scene
  scene.tell(`${host.name} hands its shards over, and takes them again after ${drainMs} ms`)
  const set = async (draining: boolean): Promise<void> => {
    const ids = (await listHosts(database.reads)).filter(({ alive, name }) => alive && name === host.name)
    for (const { hostId } of ids) await setDraining(database.control, hostId, draining)
  }
  await set(true)
  await delay(drainMs)
  await set(false)
}

/** One more host, or one less. */
const scale: Fault = async (scene) => {
  const { hosts } = scene.arena
  if (hosts.length < mostHosts && (hosts.length <= leastHosts || scene.between(0, 2) < 1)) {
    const { name } = await scene.arena.add('actors')
    return scene.tell(`${name} has come`)
  }
  const host = scene.unharmed('actors', 'mortal')
  if (host === undefined) return
  scene.tell(`${host.name} goes`)
  await leaves(scene, host)
}

const replaceGateway: Fault = async (scene) => {
  const gateway = scene.unharmed('gateway', 'mortal')
  if (gateway === undefined) return
  scene.tell(`${gateway.name} is stopped in good order and started again`)
  const code = await gateway.process.stop()
  if (code !== 0) throw new Error(`${gateway.name} ended with ${code} when it was stopped`)
  await scene.arena.restart(gateway)
}

const disown: Fault = async (scene) => {
  const host = scene.unharmed('actors')
  if (host === undefined) return
  scene.tell(`the shards of ${host.name} are taken away by hand`)
  await takeShardsAway(scene.database, host.name)
}

const lockTable: Fault = async (scene) => {
  scene.tell(`somebody holds a lock on the table of events for ${lockSeconds} s`)
  await lockEvents(scene.database, lockSeconds)
}

const lockShard: Fault = async (scene) => {
  const host = scene.unharmed('actors')
  if (host === undefined) return
  scene.tell(`somebody holds the row of a shard of ${host.name} for ${lockSeconds} s`)
  await lockShardOf(scene.database, host.name, lockSeconds)
}

const jumpClock =
  (clock: FalseClock): Fault =>
  async (scene) => {
    const jump = scene.oneOf(jumps) ?? '+0'
    scene.tell(`the clocks of some stand at ${jump} s for ${jumpMs} ms`)
    await clock.set(jump)
    await delay(jumpMs)
    await clock.set('+0')
  }

/** All of them. Clocks jump only where there is one that can be set. */
export function siegeFaults(postgres: PostgresServer, clock: FalseClock | undefined): readonly Fault[] {
  return [
    ...stormFaults,
    killPostgres(postgres),
    stopNats,
    cutOff('postgres'),
    cutOff('nats'),
    silence,
    resetLines,
    drainHost,
    scale,
    replaceGateway,
    disown,
    lockTable,
    lockShard,
    ...(clock === undefined ? [] : [jumpClock(clock)]),
  ]
}
