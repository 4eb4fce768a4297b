/**
 * F24: another Postgres than before. A standby takes over that had everything, or that lacks the last seconds; a copy of the disk or a dump is
 * put back. What the database has lost is lost; what it says from then on must hold, and old tokens must lead to it.
 */

import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { delimiter, join } from 'node:path'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { promisify } from 'node:util'
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
import { type Line, startLine } from '../../support/tcp-proxy.ts'
import { commandsInReadme, dumpToolsMissing, findDumpTools } from '../dump-tools.ts'
import { type PostgresServer, startPostgres } from '../postgres-server.ts'
import type { Scenario } from '../scenario.ts'
import type { Stage } from '../stage.ts'
import { Witness } from '../witness.ts'

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
  keepsProcesses: true,
  async run(stage) {
    const stack = stage.lasting()
    const standby = stack.use(await stage.postgres.standby())
    for (const server of [stage.postgres, standby]) await server.set('synchronous_standby_names', '*')
    await stage.postgres.followed('sync')
    const witness = await Witness.of(stage)
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
    const wrong = await witness.shows('good')
    if (after !== before)
      wrong.push(`the incarnation went from ${before} to ${after}: every token was refused`)
    return { wrong }
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
  keepsProcesses: true,
  async run(stage) {
    const stack = stage.lasting()
    const { line, directory } = await lineForStandbys(stage, stack)
    const standby = stack.use(await stage.postgres.standby(directory))
    await stage.postgres.followed('async')
    const witness = await Witness.of(stage)
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
    const after = await incarnation(stage)
    const told = await verdictOnLoss(stage, [{ before, after, lostFromMs: heldMs, servedMs }])
    return { ...told, wrong: [...told.wrong, ...(await witness.shows('fresh'))] }
  },
  judge: withoutLoss,
}

const inTurn: Scenario = {
  id: 'F24e',
  fault: `Postgres dies and a standby is promoted that lacks the last ${lagMs / 1000} s; it dies, and one is promoted that knows of neither`,
  required:
    'only what each of them lacked is lost; what the first one gave is foreign to the second; nothing forks; served 5 s after each promotion',
  bounds: { worstMs: 5000 },
  repeats: [1, 1],
  seconds: 25,
  stage: { onlyTalk: true },
  keepsProcesses: true,
  async run(stage) {
    const stack = stage.lasting()
    const { line, directory } = await lineForStandbys(stage, stack)
    const first = stack.use(await stage.postgres.standby(directory))
    const second = stack.use(await stage.postgres.standby(directory))
    await stage.postgres.followed('async', 2)
    const witness = await Witness.of(stage)
    const wrong: Finding[] = []
    await stage.crowd.talkOn(40, 20_000)
    let before = await incarnation(stage)
    line.hold()
    const lostFromMs = performance.now()
    await delay(lagMs)
    const losses: Loss[] = []
    let master = stage.postgres
    for (const standby of [first, second]) {
      const dying = master
      const act = async (): Promise<void> => {
        await dying.kill()
        line.reset()
        await standby.promote()
        lead(stage, standby)
        await lookAt(stage, standby, stack)
      }
      await stage.fault('Postgres dies', act, 'from the end')
      const servedMs = performance.now()
      await stage.crowd.talkOn(40, 20_000)
      const after = await incarnation(stage)
      wrong.push(...(await witness.shows('fresh')))
      losses.push({ before, after, lostFromMs, servedMs })
      before = after
      master = standby
    }
    await delay(talkMs)
    const told = await verdictOnLoss(stage, losses)
    return { ...told, wrong: [...told.wrong, ...wrong] }
  },
  judge: withoutLoss,
}

/** A way to the stage's Postgres that can be held, for standbys that are told where its socket is. */
async function lineForStandbys(
  { postgres }: Stage,
  stack: AsyncDisposableStack,
): Promise<{ line: Line; directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'arena-line-'))
  stack.defer(() => rm(directory, { recursive: true, force: true }))
  const socket = join(directory, `.s.PGSQL.${socketPort}`)
  const line = stack.use(await startLine({ path: postgres.socket }, { path: socket }))
  // The standby may run as another user than this program.
  await chmod(directory, 0o711)
  await chmod(socket, 0o777)
  return { line, directory }
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
    const witness = await Witness.of(stage)
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
    const after = await incarnation(stage)
    const told = await verdictOnLoss(stage, [{ before, after, lostFromMs: takenMs, servedMs }])
    return { ...told, wrong: [...told.wrong, ...unlessSaid(said), ...(await witness.shows('fresh'))] }
  },
  judge: withoutLoss,
}

const dumped: Scenario = {
  id: 'F24d',
  fault:
    'a dump that was taken some seconds before is put back, as the README says: into the same server, and into another one without `troupe restore`',
  required:
    'only what came after the dump is lost, and that is said; old tokens get a fresh state; nothing forks, no number is given again; another server is recognised',
  // All processes start anew.
  bounds: { worstMs: 8000 },
  repeats: [1, 1],
  seconds: 70,
  get stage() {
    return { onlyTalk: true, binaries: findDumpTools()?.server }
  },
  missing: () => (findDumpTools() === undefined ? dumpToolsMissing : undefined),
  async run(stage) {
    const tools = findDumpTools()
    if (tools === undefined) throw new Error(dumpToolsMissing)
    const stack = stage.lasting()
    const directory = await mkdtemp(join(tmpdir(), 'arena-dump-'))
    stack.defer(() => rm(directory, { recursive: true, force: true }))
    const operator = { directory, tools: tools.directory }
    const witness = await Witness.of(stage)
    const same = await dumpAndRestore(stage, operator, async () => {
      await stage.postgres.close()
      return stage.postgres
    })
    const other = stack.use(await startPostgres(tools.server))
    const another = await dumpAndRestore(stage, operator, async (lines) => {
      lines.splice(lines.findIndex(isTroupe), 1)
      lead(stage, other)
      return other
    })
    const told = await verdictOnLoss(stage, [same, another])
    const shown = await witness.shows('fresh')
    return {
      ...told,
      wrong: [...told.wrong, ...unlessSaid(same.said), ...same.wrong, ...another.wrong, ...shown],
    }
  },
  judge: withoutLoss,
}

interface Operator {
  /** Where the dump lies. */
  readonly directory: string
  readonly tools: string
}

/**
 * Takes a dump while people talk, and a while later puts it back by the commands of the README, into the server that `choose` gives, who may take
 * commands away.
 */
async function dumpAndRestore(
  stage: Stage,
  operator: Operator,
  choose: (lines: string[]) => Promise<PostgresServer>,
): Promise<Loss & { said: string; wrong: Finding[] }> {
  const stack = stage.lasting()
  const { members } = stage.arena
  await stage.crowd.talkOn(40, 20_000)
  const before = await incarnation(stage)
  const lostFromMs = performance.now()
  await obey(operator, stage.postgres, commandsInReadme('pg_dump'))
  await stage.crowd.talkOn(40, 20_000)
  let said = ''
  let wrong: Finding[] = []
  const act = async (): Promise<void> => {
    await Promise.all(members.map(({ process }) => process.stop()))
    const lines = commandsInReadme('pg_restore')
    const server = await choose(lines)
    await obey(
      operator,
      server,
      lines.filter((line) => !isTroupe(line)),
    )
    await lookAt(stage, server, stack)
    wrong = await numbersGoOn(stage)
    if (lines.some(isTroupe)) said = await restored(server)
    await Promise.all(members.map((member) => stage.arena.restart(member)))
  }
  await stage.fault('a dump is put back', act, 'from the end')
  const servedMs = performance.now()
  await delay(talkMs)
  return { before, after: await incarnation(stage), lostFromMs, servedMs, said, wrong }
}

function isTroupe(line: string): boolean {
  return line.startsWith('npx troupe ')
}

/** Runs commands of the README, as an operator of that server does. Throws with what they print if one fails. */
async function obey(
  { directory, tools }: Operator,
  { address }: PostgresServer,
  lines: readonly string[],
): Promise<void> {
  const env = {
    PATH: `${tools}${delimiter}${process.env['PATH'] ?? ''}`,
    DATABASE_URL: socketUrl({ ...address, user: databaseUser }),
    ADMIN_URL: socketUrl({ ...address, user: databaseUser, database: 'postgres' }),
  }
  await promisify(execFile)('sh', ['-eu', '-c', lines.join('\n')], { cwd: directory, env, timeout: 60_000 })
}

/** A dump must carry how far its numbers have been given out. */
async function numbersGoOn({ beside }: Stage): Promise<Finding[]> {
  const [row] = await beside.reads.sql<{ events: boolean; rooms: boolean }[]>`
    select (select max(event_nid) from event) < n.last_value + 1000 as events,
      (select max(room_nid) from room) <= r.last_value as rooms
    from event_number n, room_number r`
  return row?.events === true && row.rooms ? [] : ['the dump has lost how far its numbers were given out']
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

/** Only what may be lost is, the incarnation has been raised each time, and nobody fell by an old token. */
async function verdictOnLoss(
  stage: Stage,
  losses: readonly Loss[],
): Promise<{ notes: string[]; wrong: Finding[] }> {
  const wrong: Finding[] = []
  for (const { before, after } of losses)
    if (after <= before) wrong.push(`the incarnation stayed at ${before}`)
  const { kept, lost } = await stage.crowd.fates()
  for (const { body, returnedAtMs = 0 } of lost) {
    const mayBe = losses.some(
      ({ lostFromMs, servedMs }) => lostFromMs <= returnedAtMs && returnedAtMs <= servedMs,
    )
    if (!mayBe) wrong.push(`"${body}" is lost, though it was acknowledged before or afterwards`)
  }
  return {
    notes: [
      ...losses.map(({ before, after }) => `incarnation ${before} to ${after}`),
      `${lost.length} acknowledged messages were lost and ${kept} kept`,
    ],
    wrong,
  }
}

function unlessSaid(said: string): Finding[] {
  return /What came after that is lost/.test(said) ? [] : ['`troupe restore` did not say what is lost']
}

/** The rules that hold of the database alone: clients know what it has lost, and their timelines begin anew. */
function withoutLoss(history: History): Finding[] {
  const stored = new Set(history.events.map((event) => event.eventId))
  const sends = history.sends.filter((send) => send.eventIds.every((eventId) => stored.has(eventId)))
  const known = { ...history, sends, owners: [] }
  return [realTimeOrder, epochsGrow, positionsWithoutGap, noFork].flatMap((rule) => rule(known))
}

export const failoverScenarios = [synchronous, asynchronous, putBack, dumped, inTurn]
