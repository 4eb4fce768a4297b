/** What happens in every storm. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Member } from './arena.ts'
import { dropSessions } from './database-faults.ts'
import type { Fault, Scene } from './scene.ts'

/** Longer than a lease, so that the shards of the host have other owners when it wakes up. */
const pauseMs = 7000
const slowMs = 3000
const lateMs = 150
const longestAwayMs = 1500

export const killHost: Fault = async (scene) => {
  const host = scene.mortal('actors')
  if (host !== undefined) await killed(scene, host)
}

export const killGateway: Fault = async (scene) => {
  const gateway = scene.mortal('gateway')
  if (gateway !== undefined) await killed(scene, gateway)
}

async function killed(scene: Scene, member: Member): Promise<void> {
  scene.tell(`${member.name} is killed and started again`)
  scene.released(member)
  await member.process.kill()
  await scene.arena.restart(member)
}

export const pauseHost: Fault = (scene) => {
  const host = scene.unharmed('actors')
  if (host === undefined || !scene.canStop) return
  scene.tell(`${host.name} stands still for ${pauseMs} ms`)
  const { process } = host
  scene.forAWhile([host], pauseMs, {
    stops: true,
    begin: () => process.signal('SIGSTOP'),
    end: () => process.signal('SIGCONT'),
  })
}

export const restartNats: Fault = async (scene) => {
  const { arena, tell } = scene
  const awayMs = scene.between(0, longestAwayMs)
  tell(`NATS is killed and away for ${awayMs.toFixed(0)} ms`)
  await arena.nats.kill()
  await delay(awayMs)
  await arena.nats.start()
}

export const replaceHost: Fault = async (scene) => {
  const old = scene.unharmed('actors', 'mortal')
  if (old === undefined) return
  const { name } = await scene.arena.add('actors')
  scene.tell(`${name} has come, ${old.name} drains and goes`)
  await leaves(scene, old)
}

/** Stops a process, which must end in good order and within its five seconds, and is not started again. */
export async function leaves({ arena }: Scene, member: Member): Promise<void> {
  arena.forget(member)
  const beganMs = performance.now()
  const code = await member.process.stop()
  const tookMs = performance.now() - beganMs
  if (code === 0) return
  throw new Error(
    `${member.name} ended with ${code} after ${tookMs.toFixed(0)} ms when it was stopped:\n${member.process.output().slice(-2000)}`,
  )
}

export const endSessions: Fault = async ({ database, tell }) => {
  tell('all sessions of Postgres are ended')
  await dropSessions(database)
}

export const slowLines: Fault = (scene) => {
  const slow = [scene.unharmed('actors'), scene.unharmed('gateway')].filter((one) => one !== undefined)
  scene.tell(
    `the lines of ${slow.map(({ name }) => name).join(' and ')} are ${lateMs} ms late for ${slowMs} ms`,
  )
  scene.forAWhile(slow, slowMs, {
    begin: ({ postgres, nats }) => [postgres, nats].forEach((line) => line.slow({ delayMs: lateMs })),
    end: ({ postgres, nats }) => [postgres, nats].forEach((line) => line.heal()),
  })
}

/** What run N1 is made of. */
export const stormFaults: readonly Fault[] = [
  killHost,
  pauseHost,
  killGateway,
  restartNats,
  replaceHost,
  endSessions,
  slowLines,
]
