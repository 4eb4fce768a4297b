/** What came of the scenarios, as a table for people. */

import type { Finding } from '../cluster/checker.ts'
import type { History } from '../cluster/history.ts'
import type { Bounds, Scenario, Told } from './scenario.ts'
import type { Cost } from './stage.ts'

export interface Outcome {
  readonly scenario: Scenario
  readonly costs: readonly Cost[]
  readonly told: Told
  readonly acknowledged: number
  readonly lost: number
  readonly doubled: number
  /** Everything that is wrong, in words; nothing: it went as required, if it was run. */
  readonly wrong: readonly Finding[]
  /** Why it could not be run on this machine; absent: it was run. */
  readonly notRun?: string
}

/** The value below which this share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

/** What in the costs is above the bounds. */
export function aboveBounds(
  costs: readonly Cost[],
  { typicalMs, worstMs, failed, refusalMs }: Bounds,
): Finding[] {
  const recoveries = costs.map((cost) => cost.recoveryMs)
  const half = quantile(recoveries, 0.5)
  const worst = quantile(recoveries, 0.99)
  const attempts = costs.reduce((sum, cost) => sum + cost.failed, 0)
  const refusal = Math.max(0, ...costs.map((cost) => cost.refusalMs))
  return [
    ...(typicalMs !== undefined && half > typicalMs
      ? [`typically ${half.toFixed(0)} ms instead of ${typicalMs}`]
      : []),
    ...(worst > worstMs ? [`at worst ${worst.toFixed(0)} ms instead of ${worstMs}`] : []),
    ...(failed !== undefined && attempts > failed
      ? [`${attempts} attempts failed instead of ${failed}`]
      : []),
    ...(refusalMs !== undefined && refusal > refusalMs
      ? [`an attempt was refused only after ${refusal.toFixed(0)} ms instead of ${refusalMs}`]
      : []),
  ]
}

/** Acknowledged messages that the database does not have. */
export function lostIn({ sends, events }: History): number {
  const stored = new Set(events.map((event) => event.eventId))
  return sends.filter((send) => !send.eventIds.every((eventId) => stored.has(eventId))).length
}

/** Messages that are there more often than once. */
export function doubledIn({ events }: History): number {
  const bodies = events.flatMap(({ body }) => (body === undefined ? [] : [body]))
  return bodies.length - new Set(bodies).size
}

const heads = [
  '#',
  'fault',
  'required',
  'recovery p50 / p99 (times)',
  'longest wait of a message',
  'attempts refused, slowest',
  'acknowledged',
  'lost',
  'doubled',
  'outcome',
]

/** A Markdown table, one row for each scenario that was run. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(rowOf)
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n')
}

function rowOf(outcome: Outcome): string[] {
  const { scenario, costs, acknowledged, lost, doubled } = outcome
  const recoveries = costs.map((cost) => cost.recoveryMs)
  const failed = costs.reduce((sum, cost) => sum + cost.failed, 0)
  const refusal = Math.max(0, ...costs.map((cost) => cost.refusalMs))
  const longest = Math.max(0, ...costs.map((cost) => cost.waitMs))
  const measured =
    costs.length === 0
      ? 'not measured'
      : `${seconds(quantile(recoveries, 0.5))} / ${seconds(quantile(recoveries, 0.99))} (${costs.length})`
  return [
    scenario.id,
    scenario.fault,
    scenario.required,
    measured,
    seconds(longest),
    failed === 0 ? 'none' : `${failed}, ${seconds(refusal)}`,
    String(acknowledged),
    String(lost),
    String(doubled),
    wordsOf(outcome),
  ]
}

function wordsOf({ told, wrong, notRun }: Outcome): string {
  if (notRun !== undefined) return `not run: ${notRun}`
  return [
    wrong.length === 0 ? 'as required' : `**${wrong.slice(0, 3).join('; ')}**`,
    ...(told.notes ?? []).slice(-4),
  ].join('; ')
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}
