/** What the generator can be asked to do, and what it answers: messages between `main.ts` and the process of `load.ts`. */

import type { HistogramData } from './histogram.ts'
import type { ProcessorTime } from './processor-time.ts'

/** The server under load. */
export interface Target {
  readonly port: number
  /** Processes whose processor time is counted. */
  readonly serverPid: number
  readonly postmasterPid: number
  /** Further processes of the server, each counted by itself. */
  readonly otherPids?: readonly number[]
}

export interface Sender {
  readonly token: string
  readonly roomId: string
}

/** One room: who sends there, and the tokens of those who wait there. */
export interface Audience {
  readonly sender: Sender
  readonly waiters: readonly string[]
}

interface Bounds {
  readonly target: Target
  /** Load that is not counted, before what is. */
  readonly warmMs: number
  readonly runMs: number
}

/** Every sender sends its next message when the last was answered. Gives a rate, never a latency. */
export interface ClosedLoop extends Bounds {
  readonly kind: 'closed'
  readonly senders: readonly Sender[]
  /** Goes on, uncounted, until so many messages were sent. */
  readonly least?: number
  /** The sender marks each message as read before the next one; that counts as a part of it. */
  readonly receipts?: true
}

/** Messages start at random times, `rate` in a second on average, whatever has become of those before. */
export interface OpenLoop extends Bounds {
  readonly kind: 'open'
  readonly senders: readonly Sender[]
  readonly rate: number
  readonly seed: number
}

/** As `OpenLoop`; what is measured is when each waiting member has the message. */
export interface Wake extends Bounds {
  readonly kind: 'wake'
  readonly audiences: readonly Audience[]
  readonly rate: number
  readonly seed: number
}

/** In each room the next message is sent when all waiting members have the last one. */
export interface FanOut extends Bounds {
  readonly kind: 'fan-out'
  readonly audiences: readonly Audience[]
}

/** The same small computation at random times, while nothing else runs: how evenly the machine gives its processor. */
export interface Stillness {
  readonly kind: 'still'
  readonly rate: number
  readonly seed: number
  readonly runMs: number
}

export type Workload = ClosedLoop | OpenLoop | Wake | FanOut | Stillness

export interface LoadResult {
  /** Messages answered, or deliveries made, in the counted time. */
  readonly operations: number
  readonly seconds: number
  /** Failed, lost or repeated, at any time. */
  readonly errors: number
  readonly firstError: string | undefined
  /** From the scheduled start, for `open` and `wake`; of each computation, for `still`. */
  readonly latency: HistogramData
  readonly used: ProcessorTime
  /** Messages answered at any time, by sender. */
  readonly answered: readonly number[]
}

/** The body of a message that bears a number, 120 characters long. */
export function messageText(number: number): string {
  return `bench:${String(number).padStart(10, '0')}:`.padEnd(120, 'lorem ipsum dolor sit amet ')
}

/** The numbers of the messages in the body of a sync response. */
export function numbersIn(body: string): number[] {
  const numbers: number[] = []
  for (let at = body.indexOf('bench:'); at >= 0; at = body.indexOf('bench:', at + 17)) {
    numbers.push(Number(body.slice(at + 6, at + 16)))
  }
  return numbers
}
