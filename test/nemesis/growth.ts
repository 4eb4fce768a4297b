/** What processes and tables hold in the course of a long run, and whether it grows for good. */

import type { Database } from '#storage/pool.ts'
import { vitalsOf, vitalsOfPid, type Vitals } from './vitals.ts'
import type { Arena } from './arena.ts'
import type { Finding } from '../cluster/checker.ts'
import { quantile } from './report.ts'

/** What a process held at some moment. */
export interface Sample extends Vitals {
  readonly atMs: number
}

/** What a table held. */
export interface TableSize {
  readonly rows: number
  readonly bytes: number
  /** As the statistics of Postgres estimate it; what a crash has made it forget is missing. */
  readonly dead: number
}

/** A process must have been looked at for so long that its growth is judged: before, caches fill. */
const judgedMs = 10 * 60_000
/** This part of its life does not count. */
const warmUp = 1 / 3
/** A growth from the first to the last quarter of what counts that is clear: in parts of the former, and above all noise. */
const clear = { part: 0.25, memory: 48 * 2 ** 20, files: 12 } as const
/** A table may hold so much more for each of its rows, and so much at any rate. */
const bloat = { part: 0.5, bytes: 2 ** 20 } as const

/** A process that is looked at again and again. */
interface Watched {
  readonly name: string
  readonly samples: Sample[]
}

export class Growth {
  readonly #processes = new Map<string, Watched>()
  #tablesBefore: ReadonlyMap<string, TableSize> | undefined
  #tablesNow: ReadonlyMap<string, TableSize> | undefined

  /** Looks at all processes that live now. */
  async look({ members, nats }: Arena): Promise<void> {
    const atMs = performance.now()
    const add = (name: string, pid: number | undefined, vitals: Vitals | undefined): void => {
      if (vitals === undefined || pid === undefined) return
      const watched = this.#processes.getOrInsertComputed(`${name} ${pid}`, () => ({ name, samples: [] }))
      watched.samples.push({ ...vitals, atMs })
    }
    for (const { name, process } of members) add(name, process.pid, await vitalsOf(process))
    if (nats.pid !== undefined) add('nats-server', nats.pid, await vitalsOfPid(nats.pid))
  }

  /** Looks at the tables; the first time is what later ones are compared with. */
  async lookAtTables(database: Database): Promise<void> {
    this.#tablesNow = await tableSizes(database)
    this.#tablesBefore ??= this.#tablesNow
  }

  /** One line each for those that have lived longest, and for the largest tables. */
  notes(): string[] {
    const long = [...this.#processes.values()].toSorted((a, b) => lifeOf(b) - lifeOf(a)).slice(0, 4)
    const tables = [...(this.#tablesNow ?? [])].toSorted(([, a], [, b]) => b.bytes - a.bytes).slice(0, 6)
    return [
      ...long.map((watched) => `${watched.name} held ${courseOf(watched.samples)}`),
      ...tables.map(([name, now]) => tableText(name, this.#tablesBefore?.get(name), now)),
    ]
  }

  /** What has clearly grown and should not have. */
  findings(): Finding[] {
    const processes = [...this.#processes.values()].flatMap(({ name, samples }) => growthOf(name, samples))
    return [...processes, ...bloatOf(this.#tablesBefore ?? new Map(), this.#tablesNow ?? new Map())]
  }
}

/** What a process has clearly come to hold more of, judged only where it was looked at for long enough. */
export function growthOf(name: string, samples: readonly Sample[]): Finding[] {
  if (lifeOf({ samples }) < judgedMs) return []
  const counted = samples.slice(Math.floor(samples.length * warmUp))
  const quarter = Math.max(1, Math.floor(counted.length / 4))
  return (['memory', 'files'] as const).flatMap((what) => {
    const before = middleOf(counted.slice(0, quarter), what)
    const after = middleOf(counted.slice(-quarter), what)
    const more = after - before
    if (more <= clear[what] || more <= clear.part * before) return []
    return [`C10 ${name} came to hold ${amount(what, after)} from ${amount(what, before)}`]
  })
}

/** Tables that hold more for what stands in them than before. */
export function bloatOf(
  before: ReadonlyMap<string, TableSize>,
  now: ReadonlyMap<string, TableSize>,
): Finding[] {
  return [...now].flatMap(([name, { rows, bytes }]) => {
    const was = before.get(name)
    if (was === undefined) return []
    const expected = was.bytes * Math.max(1, rows / Math.max(1, was.rows))
    if (bytes <= expected * (1 + bloat.part) + bloat.bytes) return []
    return [
      `C10 the table ${name} holds ${megabytes(bytes)} for ${rows} rows, ${megabytes(was.bytes)} for ${was.rows} before`,
    ]
  })
}

/** Sizes with indexes of all tables, by name. */
async function tableSizes({ reads }: Database): Promise<Map<string, TableSize>> {
  const tables = await reads.sql<{ name: string; bytes: number; dead: number }[]>`
    select relname as name, pg_total_relation_size(relid) as bytes, n_dead_tup as dead from pg_stat_user_tables`
  const sizes = new Map<string, TableSize>()
  for (const { name, bytes, dead } of tables) {
    const [row] = await reads.sql<{ rows: number }[]>`select count(*) as rows from ${reads.sql(name)}`
    sizes.set(name, { bytes, dead, rows: row?.rows ?? 0 })
  }
  return sizes
}

function lifeOf({ samples }: { readonly samples: readonly Sample[] }): number {
  return (samples.at(-1)?.atMs ?? 0) - (samples[0]?.atMs ?? 0)
}

function middleOf(samples: readonly Sample[], what: 'memory' | 'files'): number {
  return quantile(
    samples.map((sample) => sample[what]),
    0.5,
  )
}

/** What it held at the beginning, at a third, at two thirds and at the end of its life. */
function courseOf(samples: readonly Sample[]): string {
  const last = samples.length - 1
  const chosen = [0, Math.round(last / 3), Math.round((2 * last) / 3), last].flatMap(
    (at) => samples[at] ?? [],
  )
  const minutes = (lifeOf({ samples }) / 60_000).toFixed(1)
  return `${chosen.map(({ memory }) => megabytes(memory)).join(', ')} and ${chosen.map(({ files }) => files).join(', ')} files in ${minutes} min`
}

function tableText(name: string, before: TableSize | undefined, now: TableSize): string {
  const size = ({ bytes, rows }: TableSize): string => `${megabytes(bytes)} for ${rows} rows`
  return `${name}: ${before === undefined ? '' : `${size(before)}, then `}${size(now)}, ${now.dead} dead`
}

function amount(what: 'memory' | 'files', value: number): string {
  return what === 'memory' ? megabytes(value) : `${value} files`
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`
}
