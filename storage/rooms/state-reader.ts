/**
 * Reads a room's state at a root. Nodes of the trie are named by their content, so one that has been read is right for ever; an event's
 * text changes once, when it is redacted, so those in memory are compared with Postgres in one statement each time they are used.
 *
 * One per process, shared by everybody who reads.
 */

import {
  nodeSizeBytes,
  stateKeyHash,
  type KeyHash,
  type NodeId,
  type TrieNode,
} from '#protocol/state/trie-node.ts'
import {
  MissingNodes,
  trieDiff,
  trieEntries,
  trieGet,
  trieMissing,
  type NodeSource,
} from '#protocol/state/trie.ts'
import type { StoredEvent } from '../entry.ts'
import { type Reads, RowsGone } from '../reads.ts'
import { readEventsByNid } from './events.ts'
import { readStateNodes } from './rooms.ts'

/** What a state entry was and became. */
export interface StateChange {
  readonly before: StoredEvent | undefined
  readonly after: StoredEvent | undefined
}

/** One lookup of many. */
export interface StateQuery {
  readonly roomNid: number
  readonly root: NodeId
  readonly type: string
  readonly stateKey: string
}

export interface StateReaderOptions {
  /** Bytes of nodes to keep. */
  readonly nodeBytes?: number
  /** Characters of event texts to keep. */
  readonly eventChars?: number
}

const defaultNodeBytes = 16 * 1024 * 1024
const defaultEventChars = 16 * 1024 * 1024
/** A trie of a million entries has five levels. */
const maxRounds = 40

export class StateReader {
  readonly #reads: Reads
  readonly #nodes: BoundedCache<NodeId, TrieNode>
  readonly #events: BoundedCache<number, StoredEvent>

  constructor(reads: Reads, options: StateReaderOptions = {}) {
    this.#reads = reads
    this.#nodes = new BoundedCache(options.nodeBytes ?? defaultNodeBytes, nodeSizeBytes)
    this.#events = new BoundedCache(options.eventChars ?? defaultEventChars, (event) => event.json.length)
  }

  /** One entry of the state at a root, or undefined where it is not set. */
  async get(roomNid: number, root: NodeId, type: string, stateKey: string): Promise<StoredEvent | undefined> {
    const [event] = await this.getMany([{ roomNid, root, type, stateKey }])
    return event
  }

  /** Many entries, of one room or of several, in the order of the queries. */
  async getMany(queries: readonly StateQuery[]): Promise<(StoredEvent | undefined)[]> {
    const nids = await this.nidsOf(queries)
    const events = await this.events(nids.filter((nid) => nid !== undefined))
    return nids.map((nid) => (nid === undefined ? undefined : events.get(nid)))
  }

  /** The event numbers under many entries, in the order of the queries. */
  async nidsOf(queries: readonly StateQuery[]): Promise<(number | undefined)[]> {
    const source = new Overlay(this.#nodes)
    const keyed = queries.map((query) => ({ ...query, key: stateKeyHash(query.type, query.stateKey) }))
    for (let round = 0; round <= maxRounds; round++) {
      const missing = new Map<number, NodeId[]>()
      const nids = keyed.map((query) => {
        const nid = tryGet(source, query)
        if (!(nid instanceof MissingNodes)) return nid
        missing.getOrInsertComputed(query.roomNid, () => []).push(...nid.ids)
        return undefined
      })
      if (missing.size === 0) return nids
      await Promise.all(Array.from(missing, ([roomNid, ids]) => this.#load(roomNid, ids, source)))
    }
    throw new Error('a state trie is deeper than it can be')
  }

  /** The whole state at a root, in no order. */
  async all(roomNid: number, root: NodeId): Promise<StoredEvent[]> {
    const nids = await this.#walk(roomNid, (source) => {
      const missing = trieMissing(source, root)
      if (missing.length > 0) throw new MissingNodes(missing)
      return Array.from(trieEntries(source, root), ([, nid]) => nid)
    })
    return [...(await this.events(nids)).values()]
  }

  /** The member events of the state at a root. */
  async members(roomNid: number, root: NodeId): Promise<StoredEvent[]> {
    return (await this.all(roomNid, root)).filter((event) => event.type === 'm.room.member')
  }

  /** The entries in which two states differ, in time proportional to their number. */
  async diff(roomNid: number, before: NodeId, after: NodeId): Promise<StateChange[]> {
    if (before === after) return []
    const differences = await this.#walk(roomNid, (source) => trieDiff(source, before, after))
    const nids = differences.flatMap((each) => [each.before, each.after]).filter((nid) => nid !== undefined)
    const events = await this.events(nids)
    return differences.map((each) => ({
      before: each.before === undefined ? undefined : events.get(each.before),
      after: each.after === undefined ? undefined : events.get(each.after),
    }))
  }

  /** Events by number, from memory where they have not been redacted since. */
  async events(nids: readonly number[]): Promise<Map<number, StoredEvent>> {
    const wanted = new Set(nids)
    const cached = new Map<number, StoredEvent>()
    for (const nid of wanted) {
      const event = this.#events.get(nid)
      if (event !== undefined) cached.set(nid, event)
    }
    const unknown = [...wanted].filter((nid) => !cached.has(nid))
    const [fresh, redacted] = await Promise.all([
      readEventsByNid(this.#reads, unknown),
      this.#redactedSince([...cached.values()]),
    ])
    for (const event of [...fresh, ...redacted]) {
      cached.set(event.nid, event)
      this.#events.set(event.nid, event)
    }
    return cached
  }

  async #redactedSince(events: readonly StoredEvent[]): Promise<StoredEvent[]> {
    const nids = events.filter((event) => event.redactedBy === undefined).map((event) => event.nid)
    if (nids.length === 0) return []
    const rows = await this.#reads.sql<{ event_nid: number }[]>`
      select event_nid from event where event_nid = any(${nids}::bigint[]) and redacted_by is not null`
    return readEventsByNid(
      this.#reads,
      rows.map((row) => row.event_nid),
    )
  }

  /** Runs a walk, loading what it misses, until it has all. What one walk needs is kept until it ends, however large. */
  async #walk<T>(roomNid: number, walk: (source: NodeSource) => T): Promise<T> {
    const source = new Overlay(this.#nodes)
    for (let round = 0; round <= maxRounds; round++) {
      try {
        return walk(source)
      } catch (error) {
        if (!(error instanceof MissingNodes)) throw error
        await this.#load(roomNid, error.ids, source)
      }
    }
    throw new Error('a state trie is deeper than it can be')
  }

  async #load(roomNid: number, ids: readonly NodeId[], source: Overlay): Promise<void> {
    const wanted = [...new Set(ids)]
    const nodes = await readStateNodes(this.#reads, roomNid, wanted)
    if (nodes.length < wanted.length) throw new RowsGone(`state nodes of room ${roomNid} are not stored`)
    for (const node of nodes) {
      this.#nodes.set(node.id, node)
      source.keep(node)
    }
  }
}

function tryGet(
  source: NodeSource,
  query: { readonly root: NodeId; readonly key: KeyHash },
): number | undefined | MissingNodes {
  try {
    return trieGet(source, query.root, query.key)
  } catch (error) {
    if (error instanceof MissingNodes) return error
    throw error
  }
}

/** The shared nodes and those that one walk holds on to. */
class Overlay implements NodeSource {
  readonly #shared: BoundedCache<NodeId, TrieNode>
  readonly #own = new Map<NodeId, TrieNode>()

  constructor(shared: BoundedCache<NodeId, TrieNode>) {
    this.#shared = shared
  }

  get(id: NodeId): TrieNode | undefined {
    const own = this.#own.get(id)
    if (own !== undefined) return own
    const node = this.#shared.get(id)
    // What has been seen once stays until the walk is over, so that eviction cannot make it start again and again.
    if (node !== undefined) this.#own.set(id, node)
    return node
  }

  keep(node: TrieNode): void {
    this.#own.set(node.id, node)
  }
}

/** Drops what has been there longest when it is full. */
class BoundedCache<K, V> {
  readonly #limit: number
  readonly #sizeOf: (value: V) => number
  readonly #values = new Map<K, V>()
  #size = 0

  constructor(limit: number, sizeOf: (value: V) => number) {
    this.#limit = limit
    this.#sizeOf = sizeOf
  }

  get(key: K): V | undefined {
    return this.#values.get(key)
  }

  set(key: K, value: V): void {
    this.#drop(key)
    this.#values.set(key, value)
    this.#size += this.#sizeOf(value)
    for (const oldest of this.#values.keys()) {
      if (this.#size <= this.#limit) return
      this.#drop(oldest)
    }
  }

  #drop(key: K): void {
    const value = this.#values.get(key)
    if (value === undefined) return
    this.#size -= this.#sizeOf(value)
    this.#values.delete(key)
  }
}
