/** What every workload counts: operations and processor time within a window, errors at any time, and latencies. */

import { setTimeout as delay } from 'node:timers/promises'
import { Histogram } from './histogram.ts'
import type { Reply } from './http-connection.ts'
import { processorTime, timeBetween, type ProcessorTime } from './processor-time.ts'
import type { LoadResult, Target } from './workloads.ts'

export class Measure {
  readonly #target: Target
  readonly #latency = new Histogram()
  readonly answered: number[]
  #isCounting = false
  #operations = 0
  #errors = 0
  #firstError: string | undefined
  #startedAt = 0
  #seconds = 0
  #from: ProcessorTime | undefined
  #used: ProcessorTime | undefined

  constructor(target: Target, senders: number) {
    this.#target = target
    this.answered = Array.from({ length: senders }, () => 0)
  }

  get isCounting(): boolean {
    return this.#isCounting
  }

  /** From now on operations count. */
  begin(): void {
    this.#from = this.#read()
    this.#startedAt = performance.now()
    this.#isCounting = true
  }

  /** And from now on no more. */
  end(): void {
    this.#isCounting = false
    this.#seconds = (performance.now() - this.#startedAt) / 1000
    if (this.#from) this.#used = timeBetween(this.#from, this.#read())
  }

  #read(): ProcessorTime {
    const { serverPid, postmasterPid, otherPids } = this.#target
    return processorTime(serverPid, postmasterPid, otherPids)
  }

  /** One operation is done. */
  count(): void {
    if (this.#isCounting) this.#operations++
  }

  latency(ms: number): void {
    this.#latency.record(ms)
  }

  error(what: string): void {
    this.#errors++
    this.#firstError ??= what
  }

  /** The reply if it is a good one; anything else is an error. */
  good(reply: Reply | Error): Reply | undefined {
    if (reply instanceof Error) this.error(reply.message)
    else if (reply.status === 200) return reply
    else this.error(`${reply.status} ${reply.body.toString('utf8', 0, 300)}`)
    return undefined
  }

  result(): LoadResult {
    return {
      operations: this.#operations,
      seconds: this.#seconds,
      errors: this.#errors,
      firstError: this.#firstError,
      latency: this.#latency.toData(),
      used: this.#used ?? { server: 0, database: 0, others: [], generator: 0, machine: 0 },
      answered: this.answered,
    }
  }
}

/** Waits until something is so, looking every few milliseconds; false if it is not so in time. */
export async function until(condition: () => boolean, limitMs: number): Promise<boolean> {
  const end = performance.now() + limitMs
  while (!condition()) {
    if (performance.now() > end) return false
    await delay(5)
  }
  return true
}
