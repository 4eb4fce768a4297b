/**
 * Rooms' state at given roots. Nodes of the tries are content-addressed, so they are kept without limit of time; events
 * change when they are redacted, so they are kept only for rooms of which the owner of this reader hears every redaction.
 *
 * What many callers ask for in one turn is read in one statement, whatever rooms it belongs to.
 */

import { type KeyHash, type NodeId, stateKeyHash, type TrieNode } from '#protocol/state/trie-node.ts'
import {
  emptyRoot,
  MissingNodes,
  type NodeSource,
  trieDiff,
  trieEntries,
  trieGet,
  trieMissing,
} from '#protocol/state/trie.ts'
import type { StoredEvent } from '../entry.ts'
import { type Reads, RowsGone } from '../reads.ts'
import { readEventsByNid } from '../rooms/events.ts'
import { readNodesOfRooms, type NodeKey } from '../rooms/rooms.ts'
import { readNumbersWithoutMembers } from './events.ts'
import { Gatherer } from './gatherer.ts'

export interface StateChange {
  readonly before: StoredEvent | undefined
  readonly after: StoredEvent | undefined
}

const maxNodes = 50_000
const maxEventsPerRoom = 20_000
const maxRooms = 2000
const maxRoots = 5000
const maxHashes = 20_000
/** Whole states that are looked through together, and fail together. */
const maxStates = 50

export class StateViews {
  readonly #nodes = new Map<NodeId, TrieNode>()
  readonly #events = new Map<number, Map<number, StoredEvent>>()
  /** Numbers of the state events that are no members, by root. Numbers do not change when events do. */
  readonly #others = new Map<string, readonly number[]>()
  /** By type and state key: each user's syncs ask all rooms for the same few. */
  readonly #hashes = new Map<string, KeyHash>()
  readonly #mayKeep: (roomNid: number) => boolean
  readonly #nodeReads: Gatherer<NodeKey, TrieNode>
  readonly #eventReads: Gatherer<number, StoredEvent>
  readonly #otherReads: Gatherer<readonly number[], readonly number[]>

  /** `mayKeep`: whether `forgetEvents` will be called for every redaction in the room from now on. */
  constructor(reads: Reads, mayKeep: (roomNid: number) => boolean) {
    this.#mayKeep = mayKeep
    this.#nodeReads = new Gatherer((keys) => readNodesOfRooms(reads, keys))
    this.#eventReads = new Gatherer(async (nids) => {
      const events = await readEventsByNid(reads, nids)
      return new Map(events.map((event) => [event.nid, event]))
    })
    this.#otherReads = new Gatherer(async (states) => {
      const others = new Set(await readNumbersWithoutMembers(reads, states.flat()))
      return new Map(states.map((nids) => [nids, nids.filter((nid) => others.has(nid))]))
    }, maxStates)
  }

  /** The events of a room may have changed. */
  forgetEvents(roomNid: number): void {
    this.#events.delete(roomNid)
  }

  /** The state event under a key, or undefined. */
  async get(
    roomNid: number,
    root: string,
    key: readonly [type: string, stateKey: string],
  ): Promise<StoredEvent | undefined> {
    const [event] = await this.getMany(roomNid, root, [key])
    return event
  }

  /** The state events under several keys, in their order. */
  async getMany(
    roomNid: number,
    root: string,
    keys: readonly (readonly [type: string, stateKey: string])[],
  ): Promise<readonly (StoredEvent | undefined)[]> {
    const hashes = keys.map(([type, stateKey]) => this.#hashOf(type, stateKey))
    const nids = await this.#settle(roomNid, (source) => lookUp(source, root as NodeId, hashes))
    const events = await this.#eventsOf(
      roomNid,
      nids.filter((nid) => nid !== undefined),
    )
    return nids.map((nid) => (nid === undefined ? undefined : events.get(nid)))
  }

  #hashOf(type: string, stateKey: string): KeyHash {
    if (this.#hashes.size >= maxHashes) this.#hashes.clear()
    return this.#hashes.getOrInsertComputed(`${type.length} ${type}${stateKey}`, () =>
      stateKeyHash(type, stateKey),
    )
  }

  /** Every state event. */
  async all(roomNid: number, root: string): Promise<readonly StoredEvent[]> {
    return [...(await this.#eventsOf(roomNid, await this.#entries(roomNid, root))).values()]
  }

  #entries(roomNid: number, root: string): Promise<number[]> {
    return this.#settle(roomNid, (source) => {
      const missing = trieMissing(source, root as NodeId)
      if (missing.length > 0) throw new MissingNodes(missing)
      return Array.from(trieEntries(source, root as NodeId), ([, nid]) => nid)
    })
  }

  /** Every state event but the members: in a large room most of the state is members, and their events are not even read. */
  async withoutMembers(roomNid: number, root: string): Promise<readonly StoredEvent[]> {
    const known = this.#others.get(root)
    if (known !== undefined) return [...(await this.#eventsOf(roomNid, known)).values()]
    const nids = await this.#entries(roomNid, root)
    const others = (await this.#otherReads.get(nids)) ?? []
    if (this.#others.size >= maxRoots) dropOldest(this.#others, maxRoots / 10)
    this.#others.set(root, others)
    return [...(await this.#eventsOf(roomNid, others)).values()]
  }

  /** The entries in which two states differ. */
  async diff(
    roomNid: number,
    before: string | undefined,
    after: string | undefined,
  ): Promise<readonly StateChange[]> {
    const from = (before ?? emptyRoot) as NodeId
    const to = (after ?? emptyRoot) as NodeId
    if (from === to) return []
    const changes = await this.#settle(roomNid, (source) => trieDiff(source, from, to))
    const nids = changes.flatMap((change) => [change.before, change.after]).filter((nid) => nid !== undefined)
    const events = await this.#eventsOf(roomNid, nids)
    return changes.map((change) => ({
      before: change.before === undefined ? undefined : events.get(change.before),
      after: change.after === undefined ? undefined : events.get(change.after),
    }))
  }

  /** Runs until nothing is missing; what was loaded on the way stays at hand even where the cache is too small for it. */
  async #settle<T>(roomNid: number, run: (source: NodeSource) => T): Promise<T> {
    const loaded = new Map<NodeId, TrieNode>()
    const source: NodeSource = { get: (id) => loaded.get(id) ?? this.#nodes.get(id) }
    for (;;) {
      try {
        return run(source)
      } catch (error) {
        if (!(error instanceof MissingNodes)) throw error
        const wanted = error.ids.map((id) => ({ roomNid, id }))
        const found = await Promise.all(wanted.map((key) => this.#nodeReads.get(key)))
        for (const [i, node] of found.entries()) {
          if (node === undefined)
            throw new RowsGone(`state node ${wanted[i]?.id} of room ${roomNid} is not stored`, {
              cause: error,
            })
          loaded.set(node.id, node)
          this.#keepNode(node)
        }
      }
    }
  }

  #keepNode(node: TrieNode): void {
    if (this.#nodes.size >= maxNodes) dropOldest(this.#nodes, maxNodes / 10)
    this.#nodes.set(node.id, node)
  }

  async #eventsOf(roomNid: number, nids: readonly number[]): Promise<Map<number, StoredEvent>> {
    const keep = this.#mayKeep(roomNid)
    const kept = keep ? this.#keptEvents(roomNid) : new Map<number, StoredEvent>()
    const events = new Map<number, StoredEvent>()
    const missing: number[] = []
    for (const nid of nids) {
      const event = kept.get(nid)
      if (event === undefined) missing.push(nid)
      else events.set(nid, event)
    }
    if (missing.length === 0) return events
    const read = await Promise.all(missing.map((nid) => this.#eventReads.get(nid)))
    // A redaction that came meanwhile has replaced the map, and what was read before it goes into the old one only.
    for (const event of read) {
      if (event === undefined) continue
      events.set(event.nid, event)
      if (kept.size < maxEventsPerRoom) kept.set(event.nid, event)
    }
    return events
  }

  #keptEvents(roomNid: number): Map<number, StoredEvent> {
    const known = this.#events.get(roomNid)
    if (known !== undefined) return known
    if (this.#events.size >= maxRooms) dropOldest(this.#events, maxRooms / 10)
    const events = new Map<number, StoredEvent>()
    this.#events.set(roomNid, events)
    return events
  }
}

function lookUp(source: NodeSource, root: NodeId, hashes: readonly KeyHash[]): (number | undefined)[] {
  const missing = new Set<NodeId>()
  const nids = hashes.map((hash) => {
    try {
      return trieGet(source, root, hash)
    } catch (error) {
      if (!(error instanceof MissingNodes)) throw error
      for (const id of error.ids) missing.add(id)
      return undefined
    }
  })
  if (missing.size > 0) throw new MissingNodes([...missing])
  return nids
}

function dropOldest<K>(map: Map<K, unknown>, count: number): void {
  let left = count
  for (const key of map.keys()) {
    if (left-- <= 0) return
    map.delete(key)
  }
}
