/** The unconflicted state map, looked up entry by entry. Room version 2, "Unconflicted state map and conflicted state set". */
import type { Conflict } from './conflict.ts'
import { walkTrie } from './resolution-source.ts'
import type { MeteredSource, ResolvableEvent, Resumable } from './resolution-source.ts'
import type { StateKeys } from './state-keys.ts'
import type { KeyHash, NodeId } from './trie-node.ts'
import { lookupSteps, trieGet } from './trie.ts'

/** The states that are compared, with what is known of their difference. */
export interface ComparedStates {
  readonly roots: readonly NodeId[]
  readonly conflict: Conflict
  /** The numbers of all events in the conflict. */
  readonly conflicted: ReadonlySet<number>
  readonly unconflicted: UnconflictedState
}

/** The entries that all the states have. What has been looked up once is remembered. */
export class UnconflictedState {
  readonly #work: MeteredSource
  readonly #root: NodeId
  readonly #conflict: Conflict
  readonly #keys: StateKeys
  /** Null: there is no such entry. */
  readonly #known = new Map<KeyHash, number | null>()

  /** `root` is any of the states that differ in `conflict` and in nothing else. */
  constructor(
    work: MeteredSource & { readonly keys: StateKeys },
    { root, conflict }: { readonly root: NodeId; readonly conflict: Conflict },
  ) {
    this.#work = work
    this.#root = root
    this.#conflict = conflict
    this.#keys = work.keys
  }

  /** The event number under a key; undefined where the states differ or have no entry. Throws MissingNodes. */
  get(key: KeyHash): number | undefined {
    const known = this.#known.get(key)
    if (known !== undefined) return known ?? undefined
    const number = this.#conflict.has(key) ? undefined : trieGet(this.#work.source.nodes, this.#root, key)
    this.#known.set(key, number ?? null)
    return number
  }

  /** Whether this event is an entry of all the states. Throws MissingNodes. */
  holds({ type, stateKey, number }: ResolvableEvent): boolean {
    return stateKey !== undefined && this.get(this.#keys.of(type, stateKey)) === number
  }

  /** Looks up the entries of these keys together, so that `get` and `holds` find them without a pause for each. */
  *lookAhead(keys: Iterable<readonly [type: string, stateKey: string]>): Resumable<void> {
    const { source, meter } = this.#work
    const unknown = new Set<KeyHash>()
    for (const [type, stateKey] of keys) {
      const key = this.#keys.of(type, stateKey)
      if (!this.#known.has(key)) unknown.add(key)
      if (meter.count(1)) yield { kind: 'breathe' }
    }
    const asked = unknown.difference(this.#conflict)
    const found = yield* walkTrie(meter, lookupSteps(source.nodes, this.#root, asked))
    for (const key of unknown) this.#known.set(key, found.get(key) ?? null)
  }
}
