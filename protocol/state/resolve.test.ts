// Properties of state resolution that hold for every room, and how a resolution is driven.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseUserId } from '../ids/user-id.ts'
import { rulesFor } from '../versions/table.ts'
import { authDifference } from './auth-difference.ts'
import { conflictedEvents, findConflict } from './conflict.ts'
import { conflictedSubgraph } from './conflicted-subgraph.ts'
import { PriorityQueue } from './priority-queue.ts'
import { forkedRoom, outdatedStates, seededDice, type ForkedRoom } from './random-room-fixture.ts'
import {
  Meter,
  ResolutionTooLarge,
  type ResolutionPause,
  type ResolutionSource,
} from './resolution-source.ts'
import { defaultBudget, resolveStates } from './resolve.ts'
import { RoomGraph, runToEnd, type EventDraft, type GraphEvent } from './room-fixture.ts'
import { StateKeys } from './state-keys.ts'
import type { NodeId } from './trie-node.ts'
import { UnconflictedState, type ComparedStates } from './unconflicted-state.ts'

const versions = ['1', '2', '6', '11', '12']
const scenario = fc.tuple(fc.constantFrom(...versions), fc.nat(1_000_000), fc.integer({ min: 5, max: 60 }))
const never = (): void => assert.fail('everything is in memory, and the turn is long')
const longTurn = { unitsPerTurn: 1e9, units: 1e9 }

function roomOf([version, seed, steps]: readonly [string, number, number]): ForkedRoom {
  const rules = rulesFor(version)
  assert.ok(rules !== undefined)
  return forkedRoom(rules, seed, steps)
}

function rootsOf({ tips }: ForkedRoom): readonly NodeId[] {
  return tips.map((tip) => tip.after)
}

/** The auth chain of these events by the definition, they themselves included. */
function chainOf(room: RoomGraph, from: Iterable<GraphEvent>): Set<number> {
  const chain = new Set<number>()
  const pending = [...from].map((event) => event.number)
  for (let number = pending.pop(); number !== undefined; number = pending.pop()) {
    if (chain.has(number)) continue
    chain.add(number)
    pending.push(...(room.event(number)?.authEvents ?? []))
  }
  return chain
}

describe('state resolution', () => {
  it('does not depend on the order of the states', () => {
    const shuffled = scenario.chain((room) =>
      fc.tuple(fc.constant(room), fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 })),
    )
    fc.assert(
      fc.property(shuffled, ([drawn, order]) => {
        const forked = roomOf(drawn)
        const roots = rootsOf(forked)
        const inOrder = order.flatMap((at) => roots[at] ?? [])
        assert.equal(forked.room.resolve(inOrder).root, forked.room.resolve(roots).root)
      }),
      { numRuns: 150 },
    )
  })

  it('resolves a state with itself, and its own result with itself, to the same state', () => {
    fc.assert(
      fc.property(scenario, (drawn) => {
        const forked = roomOf(drawn)
        const roots = rootsOf(forked)
        const { root } = forked.room.resolve(roots)
        assert.equal(forked.room.resolve([root, root]).root, root)
        assert.equal(forked.room.resolve([...roots, ...roots]).root, root)
        for (const one of roots) assert.equal(forked.room.resolve([one]).root, one)
      }),
      { numRuns: 80 },
    )
  })

  it('changes nothing in which the states agree', () => {
    fc.assert(
      fc.property(scenario, (drawn) => {
        const forked = roomOf(drawn)
        const states = rootsOf(forked).map((root) => forked.room.entries(root))
        const resolved = forked.room.entries(forked.room.resolve(rootsOf(forked)).root)
        for (const [key, event] of states[0] ?? []) {
          if (states.every((state) => state.get(key) === event)) assert.equal(resolved.get(key), event)
        }
      }),
      { numRuns: 80 },
    )
  })

  it('finds the auth difference that the definition gives, also where states have outdated entries', () => {
    fc.assert(
      fc.property(scenario, fc.boolean(), (drawn, isOutdated) => {
        const forked = roomOf(drawn)
        const { room } = forked
        const roots = isOutdated ? outdatedStates(room, forked.tips, seededDice(drawn[1])) : rootsOf(forked)
        const states = compared(room, roots)
        const { conflicted } = states
        const found = runToEnd(authDifference(metered(room), states), never)
        const chains = roots.map((root) => chainOf(room, room.entries(root).values()))
        const inSome = chains.reduce((all, chain) => all.union(chain), new Set<number>())
        const expected = [...inSome].filter(
          (number) => !conflicted.has(number) && !chains.every((chain) => chain.has(number)),
        )
        assert.deepEqual(
          [...found].sort((a, b) => a - b),
          expected.sort((a, b) => a - b),
        )
      }),
      { numRuns: 300 },
    )
  })

  it('leaves out of the auth difference what an unconflicted entry rests on, however much else cites it', () => {
    const { room, oldLevels, last } = roomWithOldLevels(200)
    const late = room.add({ ...joinOf('@late:b.org'), after: [oldLevels] })
    const differenceWith = (entries: readonly GraphEvent[]): readonly number[] => {
      const states = compared(room, [room.stateOf([...entries, late]), room.stateOf(entries)])
      return [...runToEnd(authDifference(metered(room), states), never)]
    }
    const entries = [...room.entries(last.after).values()]
    assert.deepEqual(differenceWith(entries), [])
    assert.deepEqual(differenceWith(entries.filter((event) => event.number < oldLevels.number)), [
      oldLevels.number,
    ])
  })

  it('finds the conflicted subgraph that the definition gives', () => {
    fc.assert(
      fc.property(scenario, fc.array(fc.nat(100), { minLength: 2, maxLength: 6 }), (drawn, picks) => {
        const { room } = roomOf(drawn)
        const conflicted = new Set(picks.map((pick) => (pick % room.events.length) + 1))
        const found = runToEnd(conflictedSubgraph(metered(room), conflicted), never)
        const from = [...conflicted].flatMap((number) => room.event(number) ?? [])
        const expected = [...chainOf(room, from)].filter((number) => {
          const event = room.event(number)
          return (
            event !== undefined &&
            !conflicted.has(number) &&
            [...chainOf(room, [event])].some((below) => conflicted.has(below))
          )
        })
        assert.deepEqual(
          [...found].sort((a, b) => a - b),
          expected.sort((a, b) => a - b),
        )
      }),
      { numRuns: 200 },
    )
  })

  it('comes to the same with everything loaded only when it is asked for, and asks for nothing twice', () => {
    fc.assert(
      fc.property(scenario, (drawn) => {
        const forked = roomOf(drawn)
        const expected = forked.room.resolve(rootsOf(forked))
        const lazy = new LazySource(forked.room)
        const resolution = runToEnd(resolveStates(forked.room.rules, lazy, rootsOf(forked)), (pause) =>
          lazy.load(pause),
        )
        assert.equal(resolution.root, expected.root)
      }),
      { numRuns: 60 },
    )
  })

  it('pauses within its turn and comes to the same', () => {
    const forked = roomOf(['11', 4, 60])
    const expected = forked.room.resolve(rootsOf(forked), longTurn)
    let pauses = 0
    const resolution = runToEnd(
      resolveStates(forked.room.rules, forked.room, rootsOf(forked), { unitsPerTurn: 20, units: 1e6 }),
      (pause) => {
        assert.equal(pause.kind, 'breathe')
        pauses++
      },
    )
    assert.ok(pauses > 3, `${pauses} pauses`)
    assert.equal(resolution.root, expected.root)
  })

  it('gives up beyond its budget', () => {
    const forked = roomOf(['11', 4, 60])
    const resume = resolveStates(forked.room.rules, forked.room, rootsOf(forked), {
      unitsPerTurn: 10,
      units: 30,
    })
    assert.throws(() => runToEnd(resume, () => undefined), ResolutionTooLarge)
    assert.ok(defaultBudget.units > defaultBudget.unitsPerTurn)
  })

  it('refuses no states at all', () => {
    const { room } = roomOf(['11', 1, 5])
    assert.throws(() => runToEnd(resolveStates(room.rules, room, []), never), RangeError)
  })
})

describe('the priority queue', () => {
  it('gives what it holds in order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { maxLength: 200 }), fc.nat(1000), (numbers, seed) => {
        const queue = new PriorityQueue<number>((a, b) => a < b)
        const dice = seededDice(seed)
        const held: number[] = []
        for (const number of numbers) {
          queue.push(number)
          held.push(number)
          if (dice.chance(0.3)) assert.equal(queue.pop(), held.sort((a, b) => a - b).shift())
          assert.equal(queue.size, held.length)
        }
        for (const number of held.sort((a, b) => a - b)) assert.equal(queue.pop(), number)
        assert.equal(queue.pop(), undefined)
      }),
    )
  })
})

const creator = parseUserId('@creator:a.org')

function joinOf(user: string): EventDraft {
  const content = { membership: 'join' }
  return { type: 'm.room.member', stateKey: user, sender: parseUserId(user), content }
}

/** A room whose members have joined under power levels that have been replaced since. */
function roomWithOldLevels(members: number): { room: RoomGraph; oldLevels: GraphEvent; last: GraphEvent } {
  const room = new RoomGraph(rulesFor('11') ?? assert.fail())
  const state = (type: string, content: EventDraft['content']): GraphEvent =>
    room.add({ type, stateKey: '', sender: creator, content })
  state('m.room.create', { room_version: '11' })
  room.add(joinOf(creator))
  state('m.room.join_rules', { join_rule: 'public' })
  const oldLevels = state('m.room.power_levels', { users: { [creator]: 100 } })
  for (let at = 0; at < members; at++) room.add(joinOf(`@user${at}:b.org`))
  const last = state('m.room.power_levels', { users: { [creator]: 100 }, kick: 60 })
  return { room, oldLevels, last }
}

function metered(room: RoomGraph) {
  return { source: room, meter: new Meter(1e9, 1e9), keys: new StateKeys() }
}

function compared(room: RoomGraph, roots: readonly NodeId[]): ComparedStates {
  const work = metered(room)
  const [root] = roots
  assert.ok(root !== undefined)
  const conflict = runToEnd(findConflict(room.nodes, roots, work.meter), never)
  const conflicted = runToEnd(conflictedEvents(conflict, work.meter), never)
  return { roots, conflict, conflicted, unconflicted: new UnconflictedState(work, { root, conflict }) }
}

/** Holds nothing of a room until it is asked to load it. */
class LazySource implements ResolutionSource {
  readonly #room: RoomGraph
  readonly #nodes = new Set<NodeId>()
  readonly #events = new Set<number>()
  readonly #links = new Set<number>()
  readonly #citing = new Set<number>()
  readonly nodes = { get: (id: NodeId) => (this.#nodes.has(id) ? this.#room.nodes.get(id) : undefined) }

  constructor(room: RoomGraph) {
    this.#room = room
  }

  event(number: number): GraphEvent | undefined {
    return this.#events.has(number) ? this.#room.event(number) : undefined
  }

  links(number: number): GraphEvent | undefined {
    return this.#links.has(number) ? this.#room.event(number) : undefined
  }

  citing(number: number): readonly number[] | undefined {
    return this.#citing.has(number) ? this.#room.citing(number) : undefined
  }

  load(pause: ResolutionPause): void {
    if (pause.kind === 'load-nodes') addAll(this.#nodes, pause.ids)
    else if (pause.kind === 'load-events')
      addAll({ events: this.#events, links: this.#links, citing: this.#citing }[pause.wants], pause.numbers)
  }
}

function addAll<T>(set: Set<T>, items: readonly T[]): void {
  assert.ok(items.length > 0)
  for (const item of items) {
    assert.ok(!set.has(item), 'what is there is asked for')
    set.add(item)
  }
}
