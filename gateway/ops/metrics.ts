/**
 * Counters and timings for Prometheus, fed by the facts that the program publishes. Every label has few values: routes come from
 * the table of endpoints, everything else from literal unions; no id of a room, user or event is ever a label.
 */

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { ConnectionSilentFact } from '#storage/events.ts'
import { poolOf, type PoolLoad } from '#storage/pool-loads.ts'
import type { BusFact } from '#actors/bus/events.ts'
import type { ActivationEvent, CommitEvent, MailboxEvent, ShardEvent } from '#actors/runtime/events.ts'
import type { SweepEvent } from '#actors/sweep/events.ts'
import type { SyncEvent } from '#actors/user/sync/events.ts'
import type { RequestDone } from '../events.ts'
import { type Facts, listenTo } from './subscriptions.ts'

const milliseconds = [0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 30_000]
const sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]

/** The route of a send, as its endpoint's file names it. */
const sendRoute = /\/rooms\/:\w+\/send\//

type StatusClass = '1xx' | '2xx' | '3xx' | '4xx' | '5xx'

const statusClasses: readonly StatusClass[] = ['1xx', '2xx', '3xx', '4xx', '5xx']

export class Metrics {
  readonly #registry = new Registry()
  readonly #subscriptions: Disposable

  readonly #requests = this.#histogram('troupe_request_ms', 'Requests by route and outcome.', milliseconds, [
    'method',
    'route',
    'status',
  ])
  readonly #sends = this.#counter('troupe_sends_total', 'Messages sent by clients of this process.', [
    'outcome',
  ])
  readonly #faults = this.#counter('troupe_faults_total', 'Failures that are not the client’s doing.', [])
  readonly #commitMs = this.#histogram('troupe_commit_ms', 'Calls of the committer.', milliseconds, [
    'result',
  ])
  readonly #commitRows = this.#histogram('troupe_commit_rows', 'Log rows of one call.', sizes, [])
  readonly #commitShards = this.#histogram('troupe_commit_shards', 'Shards of one call.', sizes, [])
  readonly #mailboxDepth = this.#histogram(
    'troupe_mailbox_depth',
    'Requests waiting, when one had to.',
    sizes,
    ['kind'],
  )
  readonly #mailboxRefused = this.#counter(
    'troupe_mailbox_refused_total',
    'Requests that found a mailbox full.',
    ['kind'],
  )
  readonly #activations = this.#counter('troupe_activations_total', 'State changes of actors.', [
    'kind',
    'what',
  ])
  readonly #shards = this.#counter(
    'troupe_shard_changes_total',
    'Changes of this process’s hold on shards.',
    ['what'],
  )
  readonly #background = this.#counter('troupe_background_failed_total', 'Background work that failed.', [
    'kind',
  ])
  readonly #swept = this.#counter('troupe_swept_rows_total', 'Rows deleted because nobody needs them.', [
    'what',
  ])
  readonly #busMs = this.#histogram('troupe_bus_request_ms', 'Requests over the bus.', milliseconds, [
    'adapter',
    'target',
    'outcome',
  ])
  readonly #busDropped = this.#counter('troupe_bus_dropped_total', 'Messages that went nowhere.', [
    'adapter',
    'reason',
  ])
  readonly #syncMs = this.#histogram(
    'troupe_sync_ms',
    'Computing one sync response, by what it came from; waiting is not counted.',
    milliseconds,
    ['what'],
  )

  readonly #silent = this.#counter(
    'troupe_database_connections_silent_total',
    'Database connections that were replaced because they answered nothing.',
    ['pool'],
  )

  /** `pools` is asked whenever the metrics are. */
  constructor(pools: () => readonly PoolLoad[] = () => []) {
    collectDefaultMetrics({ register: this.#registry })
    this.#gaugePools(pools)
    this.#subscriptions = listenTo({
      'troupe:request': (fact) => this.#onRequest(fact),
      'troupe:fault': () => this.#faults.inc(),
      'troupe:commit': (fact) => this.#onCommit(fact),
      'troupe:mailbox': (fact) => this.#onMailbox(fact),
      'troupe:activation': ({ kind, what }: ActivationEvent) => this.#activations.inc({ kind, what }),
      'troupe:shard': ({ what }: ShardEvent) => this.#shards.inc({ what }),
      'troupe:background': ({ kind, what }: Facts['troupe:background']) => {
        if (what === 'failed') this.#background.inc({ kind })
      },
      'troupe:bus': (fact) => this.#onBus(fact),
      'troupe:sweep': (fact) => this.#onSweep(fact),
      'troupe.storage.connection-silent': ({ purpose }: ConnectionSilentFact) =>
        this.#silent.inc({ pool: poolOf(purpose) }),
      'troupe:sync': ({ what, ms }: SyncEvent) => this.#syncMs.observe({ what }, ms),
    })
  }

  /** Everything in the text format of Prometheus, and the content type of that. */
  async text(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }

  [Symbol.dispose](): void {
    this.#subscriptions[Symbol.dispose]()
    this.#registry.clear()
  }

  #counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] })
  }

  #histogram<L extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly L[],
  ): Histogram<L> {
    return new Histogram({ name, help, buckets, labelNames: [...labelNames], registers: [this.#registry] })
  }

  #gaugePools(pools: () => readonly PoolLoad[]): void {
    const registers = [this.#registry]
    const connections = new Gauge({
      name: 'troupe_database_connections',
      help: 'Database connections by what they are for, and those of them that are busy.',
      labelNames: ['pool', 'state'],
      registers,
      collect: () => {
        for (const { pool, open, busy } of pools()) {
          connections.set({ pool, state: 'open' }, open)
          connections.set({ pool, state: 'busy' }, busy)
        }
      },
    })
    const waiting = new Gauge({
      name: 'troupe_database_statements_waiting',
      help: 'Statements that wait for another one on their connection.',
      labelNames: ['pool'],
      registers,
      collect: () => {
        for (const load of pools()) waiting.set({ pool: load.pool }, load.waiting)
      },
    })
  }

  #onRequest({ method, route, status, durationMs }: RequestDone): void {
    const statusClass = statusClasses[Math.floor(status / 100) - 1] ?? '5xx'
    this.#requests.observe({ method: knownMethod(method), route, status: statusClass }, durationMs)
    if (sendRoute.test(route)) this.#sends.inc({ outcome: statusClass })
  }

  #onCommit({ rows, shards, ms, result }: CommitEvent): void {
    this.#commitMs.observe({ result }, ms)
    this.#commitRows.observe(rows)
    this.#commitShards.observe(shards)
  }

  #onMailbox({ kind, depth, refused }: MailboxEvent): void {
    if (refused) this.#mailboxRefused.inc({ kind })
    else this.#mailboxDepth.observe({ kind }, depth)
  }

  #onSweep({ deleted }: SweepEvent): void {
    for (const [what, rows] of Object.entries(deleted)) if (rows > 0) this.#swept.inc({ what }, rows)
  }

  #onBus(fact: BusFact): void {
    if (fact.kind === 'request') {
      const { adapter, target, outcome, ms } = fact
      this.#busMs.observe({ adapter, target, outcome }, ms)
    } else if (fact.kind === 'dropped') {
      this.#busDropped.inc({ adapter: fact.adapter, reason: fact.reason })
    }
  }
}

type KnownMethod = 'GET' | 'PUT' | 'POST' | 'DELETE' | 'other'

/** A client may send any word as its method. */
function knownMethod(method: string): KnownMethod {
  return method === 'GET' || method === 'PUT' || method === 'POST' || method === 'DELETE' ? method : 'other'
}
