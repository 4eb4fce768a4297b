/** What is measured of one server in one round, and where the figures are gathered. */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'

import type { MatrixUser } from '#test/support/matrix.ts'
import { request } from '#test/support/matrix.ts'
import { ask, HttpConnection, requestText } from './http-connection.ts'
import { residentMegabytes } from './processor-time.ts'
import type { Generator, Server } from './servers.ts'
import type { World } from './world.ts'
import type { LoadResult, Target, Workload } from './workloads.ts'

export type PointName = 'small' | 'big' | 'at10' | 'half' | 'wake2' | 'wake50' | 'deliver50' | 'deliver500'

/** Everything known about one server; one entry for each time that it was measured. */
export interface Figures {
  readonly points: Map<PointName, LoadResult[]>
  readonly halfRates: number[]
  readonly bytesPerMessage: number[]
  readonly messagesStored: number[]
  readonly startMs: number[]
  readonly embeddedStartMs: number[]
  readonly idleMegabytes: number[]
  readonly loadedMegabytes: number[]
  readonly initialColdMs: number[]
  readonly initialWarmMs: number[]
  initialBytes: number
  readonly problems: string[]
}

export function noFigures(): Figures {
  return {
    points: new Map(),
    halfRates: [],
    bytesPerMessage: [],
    messagesStored: [],
    startMs: [],
    embeddedStartMs: [],
    idleMegabytes: [],
    loadedMegabytes: [],
    initialColdMs: [],
    initialWarmMs: [],
    initialBytes: 0,
    problems: [],
  }
}

/** Milliseconds that each load lasts, and how many messages must be stored before the disk is looked at. */
export interface Durations {
  readonly sends: number
  readonly at10: number
  readonly half: number
  readonly wake: number
  readonly deliver: number
  readonly least: number
}

export interface Subject {
  readonly name: string
  readonly server: Server
  readonly world: World
  readonly figures: Figures
}

export interface Bench {
  readonly generator: Generator
  readonly postmasterPid: number
  readonly durations: Durations
  readonly seed: number
  /** Bytes of the subject's database after a checkpoint. */
  bytes(): Promise<number>
  progress(text: string): void
}

/** Messages a second at which waiting members are woken. */
const pairRate = 20
const groupRate = 5
const idleMs = 2000
const warmSyncs = 5
const initialFilter = encodeURIComponent('{"room":{"state":{"lazy_load_members":true}}}')

function targetOf(subject: Subject, bench: Bench): Target {
  return { port: subject.server.port, serverPid: subject.server.pid, postmasterPid: bench.postmasterPid }
}

async function point(subject: Subject, bench: Bench, name: PointName, load: Workload): Promise<LoadResult> {
  const result = await bench.generator.run(load)
  subject.figures.points.set(name, [...(subject.figures.points.get(name) ?? []), result])
  if (result.errors > 0)
    subject.figures.problems.push(`${name}: ${result.errors} errors, the first: ${result.firstError}`)
  return result
}

/** The loads that send, one after another. Returns how many messages of the first sender of the small rooms were answered. */
export async function measureSends(subject: Subject, bench: Bench): Promise<number> {
  const target = targetOf(subject, bench)
  const { durations, seed } = bench
  const { small, big } = subject.world
  bench.progress(`${subject.name}: sends in 64 rooms of five`)
  const before = await bench.bytes()
  const { sends, least } = durations
  const closed = await point(subject, bench, 'small', {
    kind: 'closed',
    target,
    senders: small,
    warmMs: sends / 3,
    runMs: sends,
    least,
  })
  const stored = sum(closed.answered)
  subject.figures.messagesStored.push(stored)
  subject.figures.bytesPerMessage.push(((await bench.bytes()) - before) / stored)
  bench.progress(`${subject.name}: sends in one room of 64`)
  await point(subject, bench, 'big', {
    kind: 'closed',
    target,
    senders: big,
    warmMs: sends / 4,
    runMs: sends * 0.75,
  })
  bench.progress(`${subject.name}: send latency at 10/s`)
  const at10 = await point(subject, bench, 'at10', {
    kind: 'open',
    target,
    senders: small,
    rate: 10,
    seed,
    warmMs: 500,
    runMs: durations.at10,
  })
  const rate = Math.max(1, Math.round(closed.operations / closed.seconds / 2))
  subject.figures.halfRates.push(rate)
  bench.progress(`${subject.name}: send latency at ${rate}/s`)
  const half = await point(subject, bench, 'half', {
    kind: 'open',
    target,
    senders: small,
    rate,
    seed,
    warmMs: 500,
    runMs: durations.half,
  })
  return sum([closed, at10, half].map((result) => result.answered[0] ?? 0))
}

/** The loads in which members wait. */
export async function measureWaiting(subject: Subject, bench: Bench): Promise<void> {
  const target = targetOf(subject, bench)
  const { durations, seed } = bench
  const { pairs, groups, crowd } = subject.world
  bench.progress(`${subject.name}: wake-up of one waiting member`)
  const runMs = durations.wake
  await point(subject, bench, 'wake2', {
    kind: 'wake',
    target,
    audiences: pairs,
    rate: pairRate,
    seed,
    warmMs: 500,
    runMs,
  })
  bench.progress(`${subject.name}: wake-up of 50 waiting members`)
  const one = groups.slice(0, 1)
  await point(subject, bench, 'wake50', {
    kind: 'wake',
    target,
    audiences: one,
    rate: groupRate,
    seed,
    warmMs: 500,
    runMs,
  })
  bench.progress(`${subject.name}: deliveries to 50 waiting members in each of ${groups.length} rooms`)
  const fan = { kind: 'fan-out', target, warmMs: durations.deliver, runMs: durations.deliver } as const
  await point(subject, bench, 'deliver50', { ...fan, audiences: groups })
  if (crowd === undefined) return
  bench.progress(`${subject.name}: deliveries to 500 waiting members in one room`)
  await point(subject, bench, 'deliver500', { ...fan, audiences: [crowd] })
}

/** What a server says when it has just been started: memory at rest, and the first and the later initial syncs of one user. */
export async function measureFresh(subject: Subject, reader: string): Promise<void> {
  const { figures, server } = subject
  await delay(idleMs)
  figures.idleMegabytes.push(residentMegabytes(server.pid))
  const connection = new HttpConnection(server.port)
  try {
    for (let turn = 0; turn <= warmSyncs; turn++) {
      const startedAt = performance.now()
      const path = `/_matrix/client/v3/sync?timeout=0&filter=${initialFilter}`
      const reply = await ask(connection, requestText('GET', path, reader))
      const ms = performance.now() - startedAt
      if (reply.status !== 200)
        throw new Error(`initial sync: ${reply.status} ${reply.body.toString('utf8', 0, 300)}`)
      const rooms = Object.keys(
        (JSON.parse(reply.body.toString()) as { rooms: { join: object } }).rooms.join,
      ).length
      if (rooms !== 200) figures.problems.push(`an initial sync holds ${rooms} of 200 rooms`)
      figures.initialBytes = reply.body.length
      if (turn === 0) figures.initialColdMs.push(ms)
      else figures.initialWarmMs.push(ms)
    }
  } finally {
    connection.close()
  }
}

/** How many messages of the benchmark the room holds, each id counted once, by paging through it. */
export async function messagesInRoom(
  port: number,
  sender: { token: string; roomId: string },
): Promise<number> {
  const ids = new Set<string>()
  let from = ''
  for (;;) {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(sender.roomId)}/messages?dir=b&limit=500${from}`
    const page = await request<{ chunk: { event_id: string; type: string }[]; end?: string }>(
      `http://127.0.0.1:${port}`,
      'GET',
      path,
      undefined,
      { token: sender.token } satisfies Pick<MatrixUser, 'token'>,
    )
    if (page.status !== 200) throw new Error(`messages: ${page.status} ${JSON.stringify(page.body)}`)
    for (const event of page.body.chunk) if (event.type === 'm.room.message') ids.add(event.event_id)
    if (page.body.end === undefined) return ids.size
    from = `&from=${encodeURIComponent(page.body.end)}`
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
