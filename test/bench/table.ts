/** The figures as Markdown. */

import { availableParallelism, cpus } from 'node:os'
import { Histogram } from './histogram.ts'
import type { ProfileEntry } from './profile.ts'
import type { Figures, PointName } from './rounds.ts'
import type { LoadResult } from './workloads.ts'

/** Above this share of one core the generator may be what limits a figure. */
const generatorShareMax = 0.7
/** Above this share of the machine others disturb a figure. */
const othersShareMax = 0.05

export interface Outcome {
  readonly troupe: Figures
  readonly reference: Figures
  /** The generator's own latency, against a server that does nothing. */
  readonly nothing: LoadResult
  /** The same computation again and again on the machine at rest. */
  readonly still: LoadResult
  readonly profiles: readonly { readonly title: string; readonly entries: readonly ProfileEntry[] }[]
}

interface Row {
  readonly what: string
  readonly unit: string
  readonly digits: number
  readonly target: string
  /** The figures of one server, one for each round. */
  of(figures: Figures): readonly number[]
}

function points(figures: Figures, name: PointName): readonly LoadResult[] {
  return figures.points.get(name) ?? []
}

function rates(name: PointName) {
  return (figures: Figures): number[] =>
    points(figures, name).map((point) => point.operations / point.seconds)
}

function cpu(name: PointName) {
  return (figures: Figures): number[] =>
    points(figures, name).map((point) => (point.used.server + point.used.database) / point.operations)
}

function serverCpu(name: PointName) {
  return (figures: Figures): number[] =>
    points(figures, name).map((point) => point.used.server / point.operations)
}

/** Over all rounds together. */
function percentile(name: PointName, share: number) {
  return (figures: Figures): number[] => {
    const all = new Histogram()
    for (const point of points(figures, name)) all.add(point.latency)
    return all.total === 0 ? [] : [all.percentile(share)]
  }
}

const rows: readonly Row[] = [
  {
    what: 'Sends in 64 rooms of five, 64 senders',
    unit: '/s',
    digits: 0,
    target: '≥ 1/3 of the reference',
    of: rates('small'),
  },
  {
    what: 'Processor per send there, server and database',
    unit: 'ms',
    digits: 3,
    target: '≤ 0.5',
    of: cpu('small'),
  },
  { what: '— of it the server', unit: 'ms', digits: 3, target: '', of: serverCpu('small') },
  {
    what: 'Sends in one room of 64, 64 senders',
    unit: '/s',
    digits: 0,
    target: '≥ 1/5 of the reference',
    of: rates('big'),
  },
  {
    what: 'Processor per send there, server and database',
    unit: 'ms',
    digits: 3,
    target: '',
    of: cpu('big'),
  },
  { what: 'Send latency at 10/s, p50', unit: 'ms', digits: 1, target: '', of: percentile('at10', 0.5) },
  { what: 'Send latency at 10/s, p99', unit: 'ms', digits: 1, target: '≤ 15', of: percentile('at10', 0.99) },
  { what: 'Half of its own peak', unit: '/s', digits: 0, target: '', of: (figures) => figures.halfRates },
  { what: 'Send latency there, p50', unit: 'ms', digits: 1, target: '', of: percentile('half', 0.5) },
  { what: 'Send latency there, p99', unit: 'ms', digits: 1, target: '', of: percentile('half', 0.99) },
  {
    what: 'Wake-up of one waiting member at 20/s, p50',
    unit: 'ms',
    digits: 1,
    target: '',
    of: percentile('wake2', 0.5),
  },
  {
    what: 'Wake-up of one waiting member at 20/s, p99',
    unit: 'ms',
    digits: 1,
    target: '',
    of: percentile('wake2', 0.99),
  },
  {
    what: 'Wake-up of 50 waiting members at 5/s, p50',
    unit: 'ms',
    digits: 1,
    target: '',
    of: percentile('wake50', 0.5),
  },
  {
    what: 'Wake-up of 50 waiting members at 5/s, p99',
    unit: 'ms',
    digits: 1,
    target: '',
    of: percentile('wake50', 0.99),
  },
  {
    what: 'Deliveries to 50 waiting members in each room',
    unit: '/s',
    digits: 0,
    target: '≥ 5,000',
    of: rates('deliver50'),
  },
  { what: 'Processor per delivery there', unit: 'ms', digits: 3, target: '', of: cpu('deliver50') },
  {
    what: 'Deliveries to 500 waiting members of one room',
    unit: '/s',
    digits: 0,
    target: '≥ 5,000',
    of: rates('deliver500'),
  },
  { what: 'Processor per delivery there', unit: 'ms', digits: 3, target: '', of: cpu('deliver500') },
  {
    what: 'Initial sync of 200 rooms, the first after a start',
    unit: 'ms',
    digits: 0,
    target: '',
    of: (f) => f.initialColdMs,
  },
  {
    what: 'Initial sync of 200 rooms, warm',
    unit: 'ms',
    digits: 0,
    target: '≤ 80',
    of: (f) => f.initialWarmMs,
  },
  { what: 'Start-up on an existing database', unit: 'ms', digits: 0, target: '≤ 500', of: (f) => f.startMs },
  {
    what: 'Start-up with the embedded PostgreSQL, which starts too',
    unit: 'ms',
    digits: 0,
    target: '',
    of: (f) => f.embeddedStartMs,
  },
  {
    what: 'Resident memory of the Node process, idle',
    unit: 'MB',
    digits: 0,
    target: '≤ 110',
    of: (f) => f.idleMegabytes,
  },
  {
    what: 'Resident memory of the Node process after the loads',
    unit: 'MB',
    digits: 0,
    target: '',
    of: (f) => f.loadedMegabytes,
  },
  { what: 'Disk per message', unit: 'bytes', digits: 0, target: '≤ 1,200', of: (f) => f.bytesPerMessage },
]

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[sorted.length / 2 - 1] ?? Number.NaN)) / 2
}

function number(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

function cell(values: readonly number[], row: Row): string {
  if (values.length === 0) return '–'
  const middle = number(median(values), row.digits)
  if (values.length === 1) return `${middle} ${row.unit}`
  return `${middle} ${row.unit} (${number(Math.min(...values), row.digits)}–${number(Math.max(...values), row.digits)})`
}

function line(row: Row, outcome: Outcome): string {
  const troupe = row.of(outcome.troupe)
  const reference = row.of(outcome.reference)
  const ratio =
    troupe.length > 0 && reference.length > 0 ? (median(troupe) / median(reference)).toFixed(2) : '–'
  return `| ${row.what} | ${cell(troupe, row)} | ${cell(reference, row)} | ${ratio} | ${row.target} |`
}

function loadLine(name: PointName, outcome: Outcome): string {
  const share = (of: (point: LoadResult) => number): string => {
    const cells = [outcome.troupe, outcome.reference].map((figures) => {
      const values = points(figures, name).map(of)
      return values.length === 0 ? '–' : `${Math.round(median(values) * 100)} %`
    })
    return cells.join(' | ')
  }
  const perCore = (point: LoadResult): number => point.used.generator / 1000 / point.seconds
  return `| ${name} | ${share(perCore)} | ${share(othersOf)} |`
}

function othersOf({ used, seconds }: LoadResult): number {
  const others = used.machine - used.server - used.database - used.generator
  return Math.max(0, others) / 1000 / seconds / availableParallelism()
}

function doubts(outcome: Outcome): string[] {
  const found: string[] = []
  if (outcome.nothing.errors > 0)
    found.push(
      `the generator alone: ${outcome.nothing.errors} errors, the first: ${outcome.nothing.firstError}`,
    )
  for (const [name, figures] of [
    ['Troupe', outcome.troupe],
    ['reference', outcome.reference],
  ] as const) {
    for (const problem of figures.problems) found.push(`${name}: ${problem}`)
    for (const [point, results] of figures.points) {
      if (results.some((result) => result.used.generator / 1000 / result.seconds > generatorShareMax)) {
        found.push(
          `${name}, ${point}: the generator used more than ${generatorShareMax * 100} % of a core, so the server may be quicker than this`,
        )
      }
      if (results.some((result) => othersOf(result) > othersShareMax)) {
        found.push(
          `${name}, ${point}: other programs used more than ${othersShareMax * 100} % of the machine`,
        )
      }
    }
  }
  return found
}

/** The whole report. */
export function report(outcome: Outcome): string {
  const nothing = new Histogram(outcome.nothing.latency)
  const still = new Histogram(outcome.still.latency)
  const stored = outcome.troupe.messagesStored.map((count) => number(count, 0)).join(', ')
  const lines = [
    `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}, Node ${process.versions.node}; medians, with the range where there are several.`,
    '',
    '| What | Troupe | Reference | Ratio | Wanted |',
    '|---|---:|---:|---:|---|',
    ...rows.map((row) => line(row, outcome)),
    '',
    `Messages stored before the disk was looked at: ${stored || 'none'}. Initial sync: ${number(outcome.troupe.initialBytes, 0)} bytes.`,
    `The generator alone, against a server that does nothing, at 100/s: p50 ${nothing.percentile(0.5).toFixed(2)} ms, p99 ${nothing.percentile(0.99).toFixed(2)} ms.`,
    `The same small computation on the machine at rest, at 10/s: p50 ${still.percentile(0.5).toFixed(2)} ms, p98 ${still.percentile(0.98).toFixed(2)} ms, p99 ${still.percentile(0.99).toFixed(2)} ms.`,
    '',
    '| Load | Generator, of one core: Troupe | Reference | Other programs, of the machine: Troupe | Reference |',
    '|---|---:|---:|---:|---:|',
    ...[...outcome.reference.points.keys(), ...outcome.troupe.points.keys()]
      .filter((name, index, all) => all.indexOf(name) === index)
      .map((name) => loadLine(name, outcome)),
  ]
  const doubtful = doubts(outcome)
  if (doubtful.length > 0) lines.push('', 'To be read with care:', ...doubtful.map((doubt) => `- ${doubt}`))
  for (const { title, entries } of outcome.profiles) {
    lines.push('', `Self time of Troupe's process, ${title}:`, '', '| Share | Function |', '|---:|---|')
    lines.push(...entries.map(({ name, share }) => `| ${(share * 100).toFixed(1)} % | \`${name}\` |`))
  }
  return lines.join('\n')
}
