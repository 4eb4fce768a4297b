import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  decodeNode,
  encodeNode,
  isNodeId,
  nodeIdFromBytes,
  nodeIdToBytes,
  nodeSizeBytes,
} from './trie-node.ts'
import { bucketLimit, stateKeyHash } from './trie-node.ts'
import type { KeyHash, NodeId, TrieNode } from './trie-node.ts'
import { emptyRoot, MissingNodes, trieDiff, trieEntries, trieGet, trieMissing, trieSize } from './trie.ts'
import { trieDelete, trieSet, trieSetMany, trieUpdate } from './trie-update.ts'
import type { TrieUpdate } from './trie-update.ts'

type State = Map<KeyHash, number>

/** A source that keeps what updates create. */
class Nodes extends Map<NodeId, TrieNode> {
  keep(update: TrieUpdate): NodeId {
    for (const node of update.created) this.set(node.id, node)
    return update.root
  }

  of(state: Iterable<[KeyHash, number]>): NodeId {
    return this.keep(trieSetMany(this, emptyRoot, state))
  }
}

function members(count: number, from = 0): [KeyHash, number][] {
  return Array.from({ length: count }, (_, i) => [
    stateKeyHash('m.room.member', `@u${from + i}:example.org`),
    i + 1,
  ])
}

/** Keys with long common beginnings, so that the trie grows deep and branches have single children. */
const clusteredKey = fc
  .tuple(
    fc.constantFrom('', '0', '00000000', '0123456789abcdef0123456789abcd'),
    fc.integer({ min: 0, max: 255 }),
  )
  .map(([prefix, n]) => (prefix + n.toString(16).padStart(2, '0')).padEnd(32, '7') as KeyHash)
const eventNumber = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.maxSafeNat())
const entriesOf = (maxLength: number) =>
  fc.array(fc.tuple(clusteredKey, eventNumber), { minLength: 0, maxLength, size: 'max' })

describe('state trie', () => {
  it('has the same root for the same entries in whatever order and grouping they came', () => {
    const scenario = entriesOf(150).chain((list) => {
      const unique = [...new Map(list)]
      return fc.tuple(
        fc.constant(unique),
        fc.shuffledSubarray(unique, { minLength: unique.length }),
        fc.integer({ min: 1, max: 40 }),
      )
    })
    fc.assert(
      fc.property(scenario, ([entries, shuffled, step]) => {
        const nodes = new Nodes()
        let grown = emptyRoot
        for (let at = 0; at < shuffled.length; at += step) {
          grown = nodes.keep(trieSetMany(nodes, grown, shuffled.slice(at, at + step)))
        }
        assert.equal(grown, nodes.of(entries))
        assert.equal(trieSize(nodes, grown), entries.length)
        assert.deepEqual(new Map(trieEntries(nodes, grown)), new Map(entries))
        for (const [key, number] of entries) assert.equal(trieGet(nodes, grown, key), number)
      }),
      { numRuns: 60 },
    )
  })

  it('returns to the earlier root when what was added is deleted again', () => {
    fc.assert(
      fc.property(entriesOf(100), entriesOf(100), (base, more) => {
        const nodes = new Nodes()
        const before = nodes.of(base)
        const known = new Set(base.map(([key]) => key))
        const added = more.filter(([key]) => !known.has(key))
        let root = nodes.keep(trieSetMany(nodes, before, added))
        for (const [key] of added) root = nodes.keep(trieDelete(nodes, root, key))
        assert.equal(root, before)
      }),
      { numRuns: 60 },
    )
  })

  it('gives the difference that comparing all entries gives', () => {
    fc.assert(
      fc.property(
        entriesOf(120),
        entriesOf(40),
        fc.array(fc.nat(120), { maxLength: 100 }),
        (base, set, drop) => {
          const nodes = new Nodes()
          const before: State = new Map(base)
          const keys = [...before.keys()]
          const dropped = drop.flatMap((i) => keys.slice(i, i + 1))
          const after: State = new Map([...before, ...set])
          for (const key of dropped) after.delete(key)
          const a = nodes.of(before)
          const changes = [...set, ...dropped.map((key): [KeyHash, undefined] => [key, undefined])]
          const b = nodes.keep(trieUpdate(nodes, a, changes))
          assert.equal(b, nodes.of(after))
          assert.deepEqual(trieDiff(nodes, a, b), naiveDiff(before, after))
        },
      ),
      { numRuns: 100 },
    )
  })

  it('stores nodes as bytes and reads the same nodes back', () => {
    fc.assert(
      fc.property(entriesOf(100), (entries) => {
        const nodes = new Nodes()
        nodes.of(entries)
        for (const node of nodes.values()) {
          assert.ok(isNodeId(node.id))
          assert.equal(encodeNode(node).length, nodeSizeBytes(node))
          const id = nodeIdFromBytes(nodeIdToBytes(node.id))
          assert.deepEqual(decodeNode(id, encodeNode(node)), node)
        }
      }),
      { numRuns: 40 },
    )
  })

  it('refuses bytes that its id does not name', () => {
    const [node] = trieSet(new Nodes(), emptyRoot, stateKeyHash('m.room.name', ''), 7).created
    assert.ok(node !== undefined)
    const bytes = encodeNode(node)
    for (let i = 0; i < bytes.length; i++) {
      assert.throws(
        () =>
          decodeNode(
            node.id,
            bytes.map((byte, at) => (at === i ? byte ^ 1 : byte)),
          ),
        RangeError,
      )
    }
    assert.throws(() => decodeNode(node.id, bytes.subarray(1)), RangeError)
  })

  it('refuses event numbers that are none', () => {
    const key = stateKeyHash('m.room.name', '')
    for (const bad of [-1, 0.5, 2 ** 53, Number.NaN]) {
      assert.throws(() => trieSet(new Nodes(), emptyRoot, key, bad), RangeError)
    }
  })

  it('keeps type and state key apart in the key hash', () => {
    assert.notEqual(stateKeyHash('a', 'bc'), stateKeyHash('ab', 'c'))
    assert.notEqual(stateKeyHash('1:a', ''), stateKeyHash('1', ':a'))
    assert.match(stateKeyHash('m.room.member', '@é:example.org'), /^[0-9a-f]{32}$/)
  })

  it('is one node up to the bucket limit', () => {
    const nodes = new Nodes()
    nodes.of(members(bucketLimit))
    assert.equal(nodes.size, 1)
    assert.ok(trieSetMany(nodes, emptyRoot, members(bucketLimit + 1)).created.length > 1)
  })

  it('makes no node for a change that changes nothing', () => {
    const nodes = new Nodes()
    const entries = members(100)
    const root = nodes.of(entries)
    assert.deepEqual(trieSetMany(nodes, root, entries), { root, created: [] })
    assert.deepEqual(trieDelete(nodes, root, stateKeyHash('m.room.topic', '')), { root, created: [] })
  })

  it('names what is missing level by level, for lookup, change, difference and loading alike', () => {
    const stored = new Nodes()
    const a = stored.of(members(2000))
    const b = stored.keep(trieSetMany(stored, a, members(30, 1990)))
    const key = stateKeyHash('m.room.member', '@u1999:example.org')
    const calls: ((nodes: Nodes) => unknown)[] = [
      (nodes) => trieGet(nodes, b, key),
      (nodes) => trieDiff(nodes, a, b),
      (nodes) => trieDelete(nodes, b, key),
      (nodes) => trieSetMany(nodes, a, members(50, 1990)).root,
    ]
    for (const call of calls) {
      const { result, rounds } = loadAndRetry(stored, call)
      assert.deepEqual(result, call(stored))
      assert.equal(rounds, 3)
    }
    const loaded = new Nodes()
    let rounds = 0
    for (let ids = trieMissing(loaded, a); ids.length > 0; ids = trieMissing(loaded, a)) {
      load(stored, loaded, ids)
      rounds++
    }
    assert.equal(rounds, 3)
    assert.equal([...trieEntries(loaded, a)].length, 2000)
  })

  it('writes at most 1.5 KB per change at 10,000 entries', () => {
    const nodes = new Nodes()
    const root = nodes.of(members(10_000))
    for (const [key] of members(20, 9_990)) {
      const bytes = trieSet(nodes, root, key, 20_000).created.reduce(
        (sum, node) => sum + nodeSizeBytes(node),
        0,
      )
      assert.ok(bytes <= 1_500, `${bytes} bytes`)
    }
  })
})

function load(stored: Nodes, into: Nodes, ids: readonly NodeId[]): void {
  for (const id of ids) {
    const node = stored.get(id)
    assert.ok(node !== undefined)
    into.set(id, node)
  }
}

function loadAndRetry(stored: Nodes, call: (nodes: Nodes) => unknown): { result: unknown; rounds: number } {
  const nodes = new Nodes()
  for (let rounds = 0; rounds < 10; rounds++) {
    try {
      return { result: call(nodes), rounds }
    } catch (error) {
      if (!(error instanceof MissingNodes)) throw error
      load(stored, nodes, error.ids)
    }
  }
  throw new Error('The nodes were still missing after ten rounds.')
}

function naiveDiff(before: State, after: State): unknown[] {
  const keys = [...new Set([...before.keys(), ...after.keys()])].sort()
  return keys.flatMap((key) => {
    const a = before.get(key)
    const b = after.get(key)
    if (a === b) return []
    return [{ key, ...(a === undefined ? {} : { before: a }), ...(b === undefined ? {} : { after: b }) }]
  })
}
