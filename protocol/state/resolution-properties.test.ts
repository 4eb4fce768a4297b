/** What holds for the resolution of any states of any room, also of states that the room has never been in. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { rulesFor } from '../versions/table.ts'
import { forkedRoom, outdatedStates, seededDice, type Dice } from './random-room-fixture.ts'
import type { ResolutionSource } from './resolution-source.ts'
import { resolveStates } from './resolve.ts'
import { runToEnd, type GraphEvent, type RoomGraph } from './room-fixture.ts'
import { stateKeyHash, type NodeId, type TrieNode } from './trie-node.ts'
import { trieSetMany } from './trie-update.ts'
import { emptyRoot, trieEntries } from './trie.ts'

/** The room versions at which something of the resolution, or of the rules that it applies, changes. */
const versions = ['1', '2', '3', '6', '8', '10', '11', '12']

interface Scenario {
  readonly version: string
  readonly seed: number
  readonly steps: number
  /** Whether the states contain entries that are older than what their events refer to. */
  readonly isOutdated: boolean
  /** Whether some of the events were rejected. */
  readonly hasRejected: boolean
}

const scenario: fc.Arbitrary<Scenario> = fc.record({
  version: fc.constantFrom(...versions),
  seed: fc.nat(1_000_000),
  steps: fc.integer({ min: 5, max: 50 }),
  isOutdated: fc.boolean(),
  hasRejected: fc.boolean(),
})

interface StatesOfRoom {
  readonly room: RoomGraph
  readonly roots: readonly NodeId[]
}

function statesOf({ version, seed, steps, isOutdated, hasRejected }: Scenario): StatesOfRoom {
  const { room, tips } = forkedRoom(rulesFor(version) ?? assert.fail(), seed, steps)
  const dice = seededDice(seed)
  if (hasRejected) rejectSome(room, dice)
  return { room, roots: isOutdated ? outdatedStates(room, tips, dice) : tips.map((tip) => tip.after) }
}

function rejectSome(room: RoomGraph, dice: Dice): void {
  for (const [at, event] of room.events.entries()) {
    if (event.type !== 'm.room.create' && dice.chance(0.1)) room.events[at] = { ...event, isRejected: true }
  }
}

/** The ids of the events of a state, by type and state key. */
function idsOf(room: RoomGraph, root: NodeId): Map<string, string> {
  return new Map([...room.entries(root)].map(([key, event]) => [key, event.eventId]))
}

/** A room as another server holds it, which has given its events other numbers. */
class RenumberedRoom implements ResolutionSource {
  readonly nodes = new Map<NodeId, TrieNode>()
  readonly #events = new Map<number, GraphEvent>()
  readonly #numbers: readonly number[]

  constructor(room: RoomGraph, dice: Dice) {
    this.#numbers = shuffled(
      room.events.map((_, at) => 3 * at + 5),
      dice,
    )
    for (const event of room.events) {
      const number = this.#numberOf(event.number)
      const authEvents = event.authEvents.map((auth) => this.#numberOf(auth))
      this.#events.set(number, { ...event, number, authEvents })
    }
  }

  event(number: number): GraphEvent | undefined {
    return this.#events.get(number)
  }

  links(number: number): GraphEvent | undefined {
    return this.#events.get(number)
  }

  citing(number: number): readonly number[] {
    const events = [...this.#events.values()]
    return events
      .filter((event) => event.stateKey !== undefined && event.authEvents.includes(number))
      .map((event) => event.number)
  }

  /** The same state with the numbers of this server. */
  stateLike(room: RoomGraph, root: NodeId): NodeId {
    const entries = [...room.entries(root).values()].map((event) => {
      const key = stateKeyHash(event.type, event.stateKey ?? assert.fail())
      return [key, this.#numberOf(event.number)] as const
    })
    const update = trieSetMany(this.nodes, emptyRoot, entries)
    for (const node of update.created) this.nodes.set(node.id, node)
    return update.root
  }

  idsAfter(room: RoomGraph, roots: readonly NodeId[]): Map<string, string> {
    const resolution = runToEnd(resolveStates(room.rules, this, roots), (pause) =>
      assert.equal(pause.kind, 'breathe'),
    )
    for (const node of resolution.created) this.nodes.set(node.id, node)
    const events = [...trieEntries(this.nodes, resolution.root)].map(
      ([, number]) => this.event(number) ?? assert.fail(),
    )
    return new Map(events.map((event) => [JSON.stringify([event.type, event.stateKey]), event.eventId]))
  }

  #numberOf(number: number): number {
    return this.#numbers[number - 1] ?? assert.fail()
  }
}

function shuffled<T>(items: readonly T[], dice: Dice): readonly T[] {
  return items
    .map((item) => [dice.below(2 ** 30), item] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, item]) => item)
}

describe('the resolution of any states', () => {
  it('depends neither on their order nor on how often each is given', () => {
    fc.assert(
      fc.property(scenario, (drawn) => {
        const { room, roots } = statesOf(drawn)
        const { root } = room.resolve(roots)
        const dice = seededDice(drawn.seed + 1)
        assert.equal(room.resolve(roots.toReversed()).root, root)
        assert.equal(room.resolve(shuffled([...roots, ...roots, dice.pick(roots)], dice)).root, root)
      }),
      { numRuns: 150 },
    )
  })

  it('is idempotent: equal states resolve to themselves, and so does the result', () => {
    fc.assert(
      fc.property(scenario, (drawn) => {
        const { room, roots } = statesOf(drawn)
        for (const one of roots) assert.equal(room.resolve([one, one]).root, one)
        const { root } = room.resolve(roots)
        const again = room.resolve([root, root])
        assert.equal(again.root, root)
        assert.equal(again.changes.size, 0)
      }),
      { numRuns: 100 },
    )
  })

  it('is the same at servers that number the events in another way', () => {
    fc.assert(
      fc.property(scenario, (drawn) => {
        const { room, roots } = statesOf(drawn)
        const other = new RenumberedRoom(room, seededDice(drawn.seed + 2))
        const there = other.idsAfter(
          room,
          roots.map((root) => other.stateLike(room, root)),
        )
        assert.deepEqual(there, idsOf(room, room.resolve(roots).root))
      }),
      { numRuns: 150 },
    )
  })

  it('keeps what all states agree in, and takes nothing that no state or auth chain has', () => {
    fc.assert(
      fc.property(scenario, (drawn) => {
        const { room, roots } = statesOf(drawn)
        const states = roots.map((root) => room.entries(root))
        const resolved = room.entries(room.resolve(roots).root)
        for (const [key, event] of states[0] ?? []) {
          if (states.every((state) => state.get(key) === event)) assert.equal(resolved.get(key), event)
        }
        const known = chainOf(
          room,
          states.flatMap((state) => [...state.values()]),
        )
        for (const event of resolved.values()) assert.ok(known.has(event.number))
      }),
      { numRuns: 100 },
    )
  })

  it('says of its result what it changes in the first state, and nothing else', () => {
    fc.assert(
      fc.property(scenario, (drawn) => {
        const { room, roots } = statesOf(drawn)
        const [first] = roots
        assert.ok(first !== undefined)
        const { root, changes } = room.resolve(roots)
        const after = new Map(trieEntries(room.nodes, first))
        for (const [key, number] of changes) {
          assert.notEqual(after.get(key), number, 'a change changes something')
          if (number === undefined) after.delete(key)
          else after.set(key, number)
        }
        assert.deepEqual(new Map(trieEntries(room.nodes, root)), after)
      }),
      { numRuns: 100 },
    )
  })
})

/** The numbers of these events and of all in their auth chains. */
function chainOf(room: RoomGraph, from: readonly GraphEvent[]): ReadonlySet<number> {
  const found = new Set<number>()
  const pending = from.map((event) => event.number)
  for (let number = pending.pop(); number !== undefined; number = pending.pop()) {
    if (found.has(number)) continue
    found.add(number)
    pending.push(...(room.event(number)?.authEvents ?? []))
  }
  return found
}
