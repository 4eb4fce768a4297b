/**
 * What only a host itself knows of itself, told to whoever shows it to operators: what waits in its mailboxes, what is on its
 * way to the database, how long commits take, what has failed. It is asked over the bus under the host's id, and nothing is decided by it.
 */

import { isJsonObject, type JsonObject, type JsonValue } from '#protocol/json/types.ts'
import { type Bus, BusError, type BusMessage, type BusSubscription } from '../bus/bus.ts'
import { statusSubject } from '../bus/subjects.ts'
import { reportBackground } from './events.ts'
import type { FeedHooks } from './feed-hooks.ts'
import type { ShardLoad } from './shard-host.ts'

/** The latest calls of the committers. All zero when there were none. */
export interface CommitSummary {
  /** Calls within the last minute, of which at most a thousand are looked at. */
  readonly count: number
  /** Milliseconds between the first one looked at and now. */
  readonly spanMs: number
  readonly rows: number
  /** Those that were not committed at their first attempt. */
  readonly failed: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** A kind of failure that has occurred of late, in words that quote nobody. */
export interface FailureNote {
  readonly what: string
  readonly count: number
  /** Epoch milliseconds of the last one, by the clock of the process. */
  readonly lastAtMs: number
}

/** What any process can tell of itself. */
export interface ProcessStatus {
  readonly name: string
  readonly version: string
  readonly uptimeMs: number
  /** Resident memory, bytes. */
  readonly memoryBytes: number
  readonly commits: CommitSummary
  /** The latest first. */
  readonly failures: readonly FailureNote[]
}

export interface HostStatus extends ProcessStatus {
  readonly shards: readonly (ShardLoad & { readonly followers: number })[]
}

export interface HostStatusOptions {
  readonly bus: Bus
  /** Tells under which id this process is known. */
  readonly hooks: Pick<FeedHooks, 'onHost'>
  readonly read: () => HostStatus
}

/** Answers under the host's present id. Made before the host joins; a bus that refuses is reported, and the host is then shown as silent. */
export class HostStatusServer implements Disposable {
  readonly #options: HostStatusOptions
  readonly #unhook: () => void
  #serving: Promise<BusSubscription | undefined> = Promise.resolve(undefined)

  constructor(options: HostStatusOptions) {
    this.#options = options
    this.#unhook = options.hooks.onHost((hostId) => this.#serve(hostId))
  }

  /** Ends serving. That the bus knows is not waited for: whoever asks a process that ends has no use for an answer. */
  [Symbol.dispose](): void {
    this.#unhook()
    void this.#serving.then((subscription) => subscription?.close())
  }

  #serve(hostId: string): void {
    const before = this.#serving
    this.#serving = this.#replace(before, hostId)
  }

  async #replace(
    before: Promise<BusSubscription | undefined>,
    hostId: string,
  ): Promise<BusSubscription | undefined> {
    const { bus, read } = this.#options
    try {
      await (await before)?.close()
      return await bus.serve(statusSubject(hostId), async ({ head }) =>
        isJsonObject(head) && head['kind'] === 'status' ? statusMessage(read()) : undefined,
      )
    } catch (error) {
      reportBackground({ kind: 'runtime', name: 'host-status', what: 'failed', error })
      return undefined
    }
  }
}

/** Asks one host. Undefined when it does not answer in `timeoutMs`, or answers what this version does not understand. */
export async function askHostStatus(
  bus: Bus,
  hostId: string,
  timeoutMs: number,
): Promise<HostStatus | undefined> {
  try {
    return readStatus(await bus.request(statusSubject(hostId), { head: { kind: 'status' } }, { timeoutMs }))
  } catch (error) {
    if (error instanceof BusError) return undefined
    throw error
  }
}

function statusMessage(status: HostStatus): BusMessage {
  // The cast is sound: a status is made of text, numbers, lists and objects alone.
  return { head: status as unknown as JsonValue }
}

function readStatus({ head }: BusMessage): HostStatus | undefined {
  if (!isJsonObject(head)) return undefined
  const { commits, failures, shards } = head
  if (!hasFields(head, { name: 'string', version: 'string', uptimeMs: 'number', memoryBytes: 'number' }))
    return undefined
  if (!isJsonObject(commits) || !hasFields(commits, commitFields)) return undefined
  if (!isListOf(failures, failureFields) || !isListOf(shards, shardFields)) return undefined
  // The cast states what has just been checked.
  return head as unknown as HostStatus
}

type FieldTypes = Readonly<Record<string, 'string' | 'number'>>

const commitFields: FieldTypes = {
  count: 'number',
  spanMs: 'number',
  rows: 'number',
  failed: 'number',
  p50Ms: 'number',
  p99Ms: 'number',
  maxMs: 'number',
}

const failureFields: FieldTypes = { what: 'string', count: 'number', lastAtMs: 'number' }

const shardFields: FieldTypes = {
  shard: 'number',
  epoch: 'number',
  state: 'string',
  position: 'number',
  activations: 'number',
  waiting: 'number',
  uncommitted: 'number',
  followers: 'number',
}

function hasFields(value: JsonObject, fields: FieldTypes): boolean {
  return Object.entries(fields).every(([name, type]) => typeof value[name] === type)
}

function isListOf(value: JsonValue | undefined, fields: FieldTypes): boolean {
  return (
    Array.isArray(value) && value.every((item: JsonValue) => isJsonObject(item) && hasFields(item, fields))
  )
}
