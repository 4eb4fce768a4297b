/** The load without a server: one computation that always is the same, so that what differs is the machine. */

import { hash } from 'node:crypto'
import { Histogram } from './histogram.ts'
import { offer, seededRandom } from './sending.ts'
import type { LoadResult, Stillness } from './workloads.ts'

/** Makes the computation last as long as the work of a server for one send, most of a millisecond. */
const steps = 300
const warmTimes = 300

function compute(): number {
  const startedAt = performance.now()
  let digest = ''
  for (let step = 0; step < steps; step++) digest = hash('sha256', JSON.stringify({ step, digest }))
  return performance.now() - startedAt
}

/** How long each computation took. */
export async function stillness(load: Stillness): Promise<LoadResult> {
  for (let time = 0; time < warmTimes; time++) compute()
  const latency = new Histogram()
  const startedAt = performance.now()
  await offer({ rate: load.rate, durationMs: load.runMs, random: seededRandom(load.seed) }, () =>
    latency.record(compute()),
  )
  const seconds = (performance.now() - startedAt) / 1000
  return {
    operations: latency.total,
    seconds,
    errors: 0,
    firstError: undefined,
    latency: latency.toData(),
    used: { server: 0, database: 0, others: [], generator: 0, machine: 0 },
    answered: [],
  }
}
