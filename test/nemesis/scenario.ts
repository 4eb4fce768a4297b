/** What a scenario is, and what comes of it. */

import type { Finding } from '../cluster/checker.ts'
import type { History } from '../cluster/history.ts'
import type { Stage, StageOptions } from './stage.ts'

export interface Scenario {
  /** As in the table of faults. */
  readonly id: string
  readonly fault: string
  /** The required outcome, in words. */
  readonly required: string
  /** Bounds of the measured outcome; what exceeds one is a finding. */
  readonly bounds: Bounds
  /** How often the fault is done in a short run and in a whole one. */
  readonly repeats: readonly [number, number]
  /** About how long one of them takes, seconds, to say how long a run will take; absent: 15. */
  readonly seconds?: number
  readonly stage?: Omit<StageOptions, 'seed' | 'tell'>
  /** No process of Troupe ends, and none is started. */
  readonly keepsProcesses?: true
  /** Why it cannot be run on this machine; absent or undefined: it can. */
  readonly missing?: () => string | undefined
  /** Does the fault so often. Returns what else was measured, in words, and what was wrong. */
  readonly run: (stage: Stage, repeats: number) => Promise<Told>
  /** What is wrong with the history; absent: what the rules find. */
  readonly judge?: (history: History, findings: readonly Finding[]) => Finding[]
}

export interface Bounds {
  /** Half of the recoveries are as quick as this, milliseconds. */
  readonly typicalMs?: number
  /** All are. */
  readonly worstMs: number
  /** Attempts of clients that may fail; absent: any number. */
  readonly failed?: number
  /** The longest that an attempt may take to be refused, milliseconds. */
  readonly refusalMs?: number
}

export interface Told {
  readonly notes?: readonly string[]
  readonly wrong?: readonly Finding[]
}
