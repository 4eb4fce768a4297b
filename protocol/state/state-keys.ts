import { stateKeyHash, type KeyHash } from './trie-node.ts'

/** The hashes of state keys, each computed once in a resolution. */
export class StateKeys {
  readonly #keys = new Map<string, Map<string, KeyHash>>()

  /** The hash under which a state entry is kept. */
  of(type: string, stateKey: string): KeyHash {
    return this.#keys
      .getOrInsertComputed(type, () => new Map())
      .getOrInsertComputed(stateKey, () => stateKeyHash(type, stateKey))
  }
}
