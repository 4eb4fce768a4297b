/**
 * F24: another Postgres than before. A standby takes over that had everything, or that lacks the last seconds; a copy of the disk is put
 * back. What the database has lost is lost; what it says from then on must hold, and old tokens must lead to it.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { join } from 'node:path'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { socketPort, databaseUser } from '#storage/embedded/server.ts'
import { socketUrl } from '#storage/connection.ts'
import {
  epochsGrow,
  noFork,
  positionsWithoutGap,
  realTimeOrder,
  type Finding,
} from '../../cluster/checker.ts'
import { troupe } from '../../cluster/command-line.ts'
import type { History } from '../../cluster/history.ts'
import { openBeside } from '../../cluster/stored.ts'
import { startLine } from '../../support/tcp-proxy.ts'
import type { PostgresServer } from '../postgres-server.ts'
import type { Scenario } from '../scenario.ts'
import type { Stage } from '../stage.ts'

const talkMs = 2500
const lagMs = 2000

/** Every process finds the other server at the address that it knows; what it had open is dead, as after the end of a machine. */
function lead(stage: Stage, to: PostgresServer): void {
  for (const { postgres } of stage.arena.members) {
    postgres.redirect({ path: to.socket })
    postgres.reset()
  }
}

/** The scenario looks at the other server from now on. */
async function lookAt(stage: Stage, server: PostgresServer, stack: AsyncDisposableStack): Promise<void> {
  stage.beside = stack.use(await openBeside(server.address))
  stage.crowd.watch(stage.beside)
}

async function incarnation({ beside }: Stage): Promise<number> {
  const [row] = await beside.reads.sql<{ incarnation: number }[]>`select incarnation from cluster`
  return row?.incarnation ?? 0
}

const synchronous: Scenario = {
  id: 'F24a',
  fault: 'Postgres dies and a synchronous standby is promoted',
  required:
    'nothing acknowledged is lost; sync tokens stay good; no process is restarted; served 5 s after writes are possible',
  bounds: { worstMs: 5000 },
  repeats: [1, 1],
  async run(stage) {
    const stack = stage.lasting()
    const standby = stack.use(await stage.postgres.standby())
    for (const server of [stage.postgres, standby]) await server.set('synchronous_standby_names', '*')
    await stage.postgres.followed('sync')
    await stage.crowd.talkOn(40, 20_000)
    const before = await incarnation(stage)
    const act = async (): Promise<void> => {
      await stage.postgres.kill()
      await standby.promote()
      // Writes wait until somebody follows the new master, too.
      stack.use(await standby.standby())
      await standby.followed('sync')
      lead(stage, standby)
      await lookAt(stage, standby, stack)
    }
    await stage.fault('Postgres dies', act, 'from the end')
    await delay(talkMs)
    const after = await incarnation(stage)
    return {
      wrong:
        after === before ? [] : [`the incarnation went from ${before} to ${after}: every token was refused`],
    }
  },
}

const asynchronous: Scenario = {
  id: 'F24b',
  fault: `Postgres dies and a standby is promoted that lacks the last ${lagMs / 1000} s`,
  required:
    'only what the standby lacked is lost; old tokens get a fresh state; nothing forks; served 5 s after the promotion',
  bounds: { worstMs: 5000 },
  repeats: [1, 1],
  stage: { onlyTalk: true },
  async run(stage) {
    const stack = stage.lasting()
    const directory = await mkdtemp(join(tmpdir(), 'arena-line-'))
    stack.defer(() => rm(directory, { recursive: true, force: true }))
    const socket = join(directory, `.s.PGSQL.${socketPort}`)
    const line = stack.use(await startLine({ path: stage.postgres.socket }, { path: socket }))
    // The standby may run as another user than this program.
    await chmod(directory, 0o711)
    await chmod(socket, 0o777)
    const standby = stack.use(await stage.postgres.standby(directory))
    await stage.postgres.followed('async')
    await stage.crowd.talkOn(40, 20_000)
    const before = await incarnation(stage)
    line.hold()
    const heldMs = performance.now()
    await delay(lagMs)
    const act = async (): Promise<void> => {
      await stage.postgres.kill()
      line.reset()
      await standby.promote()
      lead(stage, standby)
      await lookAt(stage, standby, stack)
    }
    await stage.fault('Postgres dies', act, 'from the end')
    const servedMs = performance.now()
    await delay(talkMs)
    return verdictOnLoss(stage, { before, after: await incarnation(stage), lostFromMs: heldMs, servedMs })
  },
  judge: withoutLoss,
}

const putBack: Scenario = {
  id: 'F24c',
  fault: 'a copy of the disk is put back that was taken some seconds before, and `troupe restore` is called',
  required:
    'only what came after the copy is lost, and that is said; old tokens get a fresh state; nothing forks',
  bounds: { worstMs: 5000 },
  repeats: [1, 1],
  stage: { onlyTalk: true },
  async run(stage) {
    const stack = stage.lasting()
    await stage.crowd.talkOn(40, 20_000)
    const before = await incarnation(stage)
    const takenMs = performance.now()
    const copy = stack.use(await stage.postgres.copy())
    await stage.crowd.talkOn(40, 20_000)
    let said = ''
    const act = async (): Promise<void> => {
      for (const { process } of stage.arena.members) await process.kill()
      await stage.postgres.stop()
      await copy.start()
      lead(stage, copy)
      said = await restored(copy)
      await lookAt(stage, copy, stack)
      await Promise.all(stage.arena.members.map((member) => stage.arena.restart(member)))
    }
    await stage.fault('a copy of the disk is put back', act, 'from the end')
    const servedMs = performance.now()
    await delay(talkMs)
    const told = await verdictOnLoss(stage, {
      before,
      after: await incarnation(stage),
      lostFromMs: takenMs,
      servedMs,
    })
    const isSaid = /What came after that is lost/.test(said)
    return {
      ...told,
      wrong: [...told.wrong, ...(isSaid ? [] : ['`troupe restore` did not say what is lost'])],
    }
  },
  judge: withoutLoss,
}

/** Calls `troupe restore` until the leases of those that were killed are over. */
async function restored(server: PostgresServer): Promise<string> {
  const url = socketUrl({ ...server.address, user: databaseUser })
  const endMs = performance.now() + 15_000
  for (;;) {
    try {
      return await troupe(url, 'restore', '--yes')
    } catch (error) {
      if (performance.now() > endMs) throw error
      await delay(500)
    }
  }
}

interface Loss {
  readonly before: number
  readonly after: number
  /** What was sent from then on, until all were served, may be lost. */
  readonly lostFromMs: number
  readonly servedMs: number
}

/** Only what may be lost is, the incarnation has been raised, and nobody fell by an old token. */
async function verdictOnLoss(
  stage: Stage,
  { before, after, lostFromMs, servedMs }: Loss,
): Promise<{ notes: string[]; wrong: Finding[] }> {
  const wrong: Finding[] = []
  if (after <= before) wrong.push(`the incarnation stayed at ${before}`)
  const { kept, lost } = await stage.crowd.fates()
  for (const { body, returnedAtMs = 0 } of lost) {
    if (returnedAtMs < lostFromMs) wrong.push(`"${body}" is lost, though it was acknowledged before`)
    if (returnedAtMs > servedMs) wrong.push(`"${body}" is lost, though it was acknowledged afterwards`)
  }
  return {
    notes: [
      `incarnation ${before} to ${after}`,
      `${lost.length} acknowledged messages were lost and ${kept} kept`,
    ],
    wrong,
  }
}

/** The rules that hold of the database alone: clients know what it has lost, and their timelines begin anew. */
function withoutLoss(history: History): Finding[] {
  const stored = new Set(history.events.map((event) => event.eventId))
  const sends = history.sends.filter((send) => send.eventIds.every((eventId) => stored.has(eventId)))
  const known = { ...history, sends, owners: [] }
  return [realTimeOrder, epochsGrow, positionsWithoutGap, noFork].flatMap((rule) => rule(known))
}

export const failoverScenarios = [synchronous, asynchronous, putBack]
