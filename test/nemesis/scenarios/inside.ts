/**
 * F2b, F2c: what holds the rows of shards while their host stands still or dies. A commit is one statement, so a host leaves no transaction
 * open of its own accord: its backend must be held by somebody else, or the host must stop when the end of its request is not yet sent.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { leaseMs } from '#storage/cluster/leases.ts'
import type { Member } from '../arena.ts'
import { lockEvents, lockShardOf, stuckCommit } from '../database-faults.ts'
import { Returns } from '../returns.ts'
import type { Scenario, Told } from '../scenario.ts'
import { inTurn, type Stage } from '../stage.ts'

const stuckMs = 10_000
const stoppedMs = leaseMs + 6000
/** What may be added where the row is held: as long as a session may leave a transaction open. */
const heldMs = 2000

/** In the request for a commit of any message. */
const anyMessage = ' says t'
/** The message of the protocol that ends a request and lets the statement commit: a letter and a length. */
const syncBytes = 5

/** Stops a host whose commit holds the rows of its shards, while another lock holds up the commit; that is over after two seconds. */
async function stoppedBehindLock(stage: Stage): Promise<Member> {
  const lock = lockEvents(stage.beside, 2)
  const name = await stuckCommit(stage.beside, 'waits for a lock', stuckMs)
  const host = stage.arena.hosts.find((one) => one.name === name)
  if (host === undefined) throw new Error(`there is no host ${name}`)
  host.process.signal('SIGSTOP')
  void lock.catch(() => {})
  return host
}

/** Stops a host when the end of its request for a commit has not arrived: its backend holds the rows and waits for what comes no more. */
async function stoppedHalfWay(stage: Stage, host: Member): Promise<Member> {
  await host.postgres.keepEndOfRequest(anyMessage, syncBytes)
  host.process.signal('SIGSTOP')
  await stuckCommit(stage.beside, 'waits for its client', stuckMs)
  return host
}

const stopped: Scenario = {
  id: 'F2b',
  fault: `an actor host stands still for ${stoppedMs / 1000} s while a commit of its holds the rows of its shards: behind another lock, or with the end of its request not sent`,
  required:
    'others serve within the lease and 4 s; what it wakes up with is refused; useful again within 5 s',
  bounds: { worstMs: leaseMs + 2000 + heldMs },
  repeats: [2, 6],
  seconds: 14,
  async run(stage, repeats): Promise<Told> {
    const returns = new Returns(stage)
    for (let n = 0; n < repeats; n++) {
      const isLock = n % 2 === 0
      let host = inTurn(stage.arena.hosts, n >> 1)
      const beganMs = performance.now()
      await stage.fault(
        isLock ? 'a host stands still behind a lock' : `${host.name} stands still half-way`,
        async () => {
          host = await (isLock ? stoppedBehindLock(stage) : stoppedHalfWay(stage, host))
        },
        'from the end',
      )
      await delay(Math.max(0, beganMs + stoppedMs - performance.now()))
      host.postgres.heal()
      host.process.signal('SIGCONT')
      await returns.useful()
    }
    return returns.told()
  },
}

const foreignSeconds = 6

const foreign: Scenario = {
  id: 'F2c',
  fault: `somebody's transaction holds the row of one shard for ${foreignSeconds} s, and the host that owns the shard is killed meanwhile`,
  required:
    'the other shards are served by others at once; all are served 2 s after the transaction has ended; no fork',
  bounds: { worstMs: 2000 },
  repeats: [1, 4],
  seconds: 11,
  async run(stage, repeats): Promise<Told> {
    const wrong: string[] = []
    const notes: string[] = []
    for (let n = 0; n < repeats; n++) {
      const host = inTurn(stage.arena.hosts, n)
      const act = async (): Promise<void> => {
        const lock = lockShardOf(stage.beside, host.name, foreignSeconds)
        await delay(1000)
        await host.process.kill()
        await delay(2000)
        const left = await stage.shardsOf(host)
        notes.push(`${left} shards had no other owner after 2 s`)
        if (left > 1) wrong.push(`${left} shards had no other owner where one was held`)
        await lock
      }
      await stage.fault(`a shard of ${host.name} is held`, act, 'from the end')
      await stage.arena.restart(host)
      await stage.settled()
    }
    return { wrong, notes }
  },
}

export const insideScenarios = [stopped, foreign]
