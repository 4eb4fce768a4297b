/**
 * The current state of a room as its actor holds it: the root of the trie, the nodes it has walked, and the entries it has looked at.
 * Nothing of it is loaded before it is asked for, so that a send in a room of ten thousand members touches three entries.
 *
 * Lookups are synchronous. One that needs what is not in memory throws `NotLoaded` or `MissingNodes`; `settle` loads that and tries again. Until
 * a decision is durable, what it made exists nowhere else: such nodes and entries are pinned and never evicted.
 */

import type { EventId } from '#protocol/ids/event-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import { stateKeyHash, type NodeId, type TrieNode } from '#protocol/state/trie-node.ts'
import { trieSet, type TrieUpdate } from '#protocol/state/trie-update.ts'
import { MissingNodes, trieGet, type NodeSource } from '#protocol/state/trie.ts'

/** An event of the current state, parsed. */
export interface StateEvent {
  readonly nid: number
  readonly eventId: EventId
  readonly type: string
  readonly stateKey: string
  readonly sender: UserId
  readonly content: JsonObject
  /** By which other events refer to it in versions 1 and 2 (`reference-hashes.ts`); a redaction does not change it. */
  readonly referenceHash: string | undefined
}

/** Where a state gets what it does not hold. */
export interface StateSource {
  nodes(ids: readonly NodeId[]): Promise<readonly TrieNode[]>
  events(nids: readonly number[]): Promise<readonly StateEvent[]>
}

/** An entry that is not in memory. */
export class NotLoaded extends Error {
  override readonly name = 'NotLoaded'
  readonly nids: readonly number[]

  constructor(nids: readonly number[]) {
    super('A state event is not in memory.')
    this.nids = nids
  }
}

const entryLimit = 4096
const nodeLimit = 4096

export class RoomState {
  #root: NodeId
  readonly #source: StateSource
  /** By type, then state key; null: known to be unset. Valid for the present root. */
  readonly #entries = new Map<string, StateEvent | null>()
  readonly #nodes = new Map<NodeId, TrieNode>()
  /** Events loaded by number for the lookup that is under way. */
  readonly #fetched = new Map<number, StateEvent>()
  readonly #pinnedEntries = new Map<string, number>()
  readonly #pinnedNodes = new Map<NodeId, TrieNode>()
  readonly #nodeSource: NodeSource = { get: (id) => this.#pinnedNodes.get(id) ?? this.#nodes.get(id) }

  constructor(root: NodeId, source: StateSource) {
    this.#root = root
    this.#source = source
  }

  get root(): NodeId {
    return this.#root
  }

  /** The entry of the current state, or undefined where it is not set. Throws `NotLoaded` or `MissingNodes`. */
  lookup(type: string, stateKey: string): StateEvent | undefined {
    const key = entryKey(type, stateKey)
    const known = this.#entries.get(key)
    if (known !== undefined) return known ?? undefined
    const nid = trieGet(this.#nodeSource, this.#root, stateKeyHash(type, stateKey))
    const event = nid === undefined ? null : this.#fetched.get(nid)
    if (event === undefined) throw new NotLoaded(nid === undefined ? [] : [nid])
    this.#remember(key, event)
    return event ?? undefined
  }

  /** What setting an entry would make of the state. Changes nothing. Throws `MissingNodes`. */
  prepare(type: string, stateKey: string, nid: number): TrieUpdate {
    return trieSet(this.#nodeSource, this.#root, stateKeyHash(type, stateKey), nid)
  }

  /** Sets an entry. `update` is what `prepare` gave for it on the present root. Call `release` when it is durable. */
  apply(event: StateEvent, update: TrieUpdate): void {
    const key = entryKey(event.type, event.stateKey)
    for (const node of update.created) this.#pinnedNodes.set(node.id, node)
    this.#pinnedEntries.set(key, event.nid)
    this.#entries.set(key, event)
    this.#root = update.root
  }

  /** Says that an applied change is durable, so that it may be evicted from now on. */
  release(event: StateEvent, update: TrieUpdate): void {
    for (const node of update.created) {
      this.#pinnedNodes.delete(node.id)
      this.#nodes.set(node.id, node)
    }
    const key = entryKey(event.type, event.stateKey)
    if (this.#pinnedEntries.get(key) === event.nid) this.#pinnedEntries.delete(key)
    if (this.#nodes.size > nodeLimit) this.#nodes.clear()
  }

  /** Replaces the content of an entry that has been redacted; nothing happens if the event is not of the current state. */
  redact(nid: number, content: JsonObject): void {
    for (const [key, event] of this.#entries) {
      if (event?.nid === nid) this.#entries.set(key, { ...event, content })
    }
  }

  /**
   * Runs `attempt`, and again each time that something it needs has been loaded. It must change nothing before its last lookup.
   * Answers without a promise when everything is there.
   */
  settle<T>(attempt: () => T): T | Promise<T> {
    try {
      return attempt()
    } catch (error) {
      return this.#load(error).then(() => this.settle(attempt))
    }
  }

  async #load(error: unknown): Promise<void> {
    if (error instanceof MissingNodes) {
      const nodes = await this.#source.nodes(error.ids)
      if (nodes.length === 0) throw new Error('state nodes are not stored', { cause: error })
      for (const node of nodes) this.#nodes.set(node.id, node)
    } else if (error instanceof NotLoaded) {
      const events = await this.#source.events(error.nids)
      if (events.length === 0) throw new Error('a state event is not stored', { cause: error })
      this.#fetched.clear()
      for (const event of events) this.#fetched.set(event.nid, event)
    } else {
      throw error
    }
  }

  #remember(key: string, event: StateEvent | null): void {
    if (this.#entries.size >= entryLimit) {
      for (const old of this.#entries.keys()) if (!this.#pinnedEntries.has(old)) this.#entries.delete(old)
    }
    this.#entries.set(key, event)
  }
}

function entryKey(type: string, stateKey: string): string {
  return `${type}\0${stateKey}`
}
