// How long a resolution keeps its caller, and how much it asks for: counted in lookups, as there is no clock here.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseUserId, type UserId } from '../ids/user-id.ts'
import { rulesFor } from '../versions/table.ts'
import { forkedRoom, outdatedStates, seededDice } from './random-room-fixture.ts'
import type { AuthLinks, EventPart, ResolutionPause, ResolutionSource } from './resolution-source.ts'
import { resolveStates, type Resolution, type ResolutionBudget } from './resolve.ts'
import { RoomGraph, runToEnd, type EventDraft, type GraphEvent } from './room-fixture.ts'
import type { NodeId, TrieNode } from './trie-node.ts'

const versions = ['1', '2', '11', '12']
const endless = { unitsPerTurn: 1e9, units: 1e9 }

describe('the turns of a resolution', () => {
  it('do not change what comes of it, be they as short as they can or endless', () => {
    const scenario = fc.record({
      version: fc.constantFrom(...versions),
      seed: fc.nat(1_000_000),
      steps: fc.integer({ min: 5, max: 60 }),
      isOutdated: fc.boolean(),
      unitsPerTurn: fc.constantFrom(1, 2, 17, 500),
    })
    fc.assert(
      fc.property(scenario, ({ version, seed, steps, isOutdated, unitsPerTurn }) => {
        const { room, tips } = forkedRoom(rulesFor(version) ?? assert.fail(), seed, steps)
        const roots = isOutdated ? outdatedStates(room, tips, seededDice(seed)) : tips.map((tip) => tip.after)
        const expected = room.resolve(roots, endless)
        assert.deepEqual(room.resolve(roots, { unitsPerTurn, units: 1e9 }), expected)
        const lazy = new CountingSource(room)
        const loaded = resolveWith(lazy, room, { roots, budget: { unitsPerTurn, units: 1e9 } })
        assert.deepEqual(loaded, expected)
      }),
      { numRuns: 120 },
    )
  })

  for (const version of versions) {
    it(`are as short in a fork of many events as in one of few, in version ${version}`, () => {
      for (const events of [40, 400]) {
        const { room, roots } = forkOf(largeRoom(version, 20), events)
        const source = new CountingSource(room, { isLoaded: true })
        resolveWith(source, room, { roots, budget: { unitsPerTurn: 1, units: 1e9 } })
        assert.ok(source.mostLookups <= 100, `${source.mostLookups} lookups without a pause`)
      }
    })

    it(`reach the same events and nodes in a large room as in a small one, in version ${version}`, () => {
      const [small, large] = [100, 800].map((members) => {
        const { room, roots } = forkOf(largeRoom(version, members), 30)
        const source = new CountingSource(room)
        resolveWith(source, room, { roots, budget: endless })
        return source
      })
      assert.ok(small !== undefined && large !== undefined)
      assert.ok(small.events > 20, `${small.events} events`)
      assert.ok(large.events <= small.events + 2, `${small.events} and ${large.events} events`)
      // The trie of the larger room is deeper by one node on each path.
      assert.ok(
        large.nodeCount <= 3 * small.nodeCount + 60,
        `${small.nodeCount} and ${large.nodeCount} nodes`,
      )
    })

    it(`ask for what they need together, in version ${version}`, () => {
      const loads = [30, 300].map((events) => {
        const { room, roots } = forkOf(largeRoom(version, 50), events)
        const source = new CountingSource(room)
        resolveWith(source, room, { roots, budget: endless })
        return source.loads
      })
      const [few = 0, many = 0] = loads
      assert.ok(few <= 20 && many <= 30, `${few} and ${many} loads`)
    })
  }
})

interface Resolving {
  readonly roots: readonly NodeId[]
  readonly budget: ResolutionBudget
}

function resolveWith(source: CountingSource, room: RoomGraph, { roots, budget }: Resolving): Resolution {
  return runToEnd(resolveStates(room.rules, source, roots, budget), (pause) => source.resume(pause))
}

const creator = parseUserId('@creator:a.org')
const userOf = (at: number): UserId => parseUserId(`@user${at}:b.org`)

function member(user: UserId, displayname?: string): EventDraft {
  const name = displayname === undefined ? {} : { displayname }
  return {
    type: 'm.room.member',
    stateKey: user,
    sender: user,
    content: { membership: 'join', ...name },
  }
}

function largeRoom(version: string, members: number): RoomGraph {
  const rules = rulesFor(version) ?? assert.fail()
  const room = new RoomGraph(rules)
  const state = (type: string, content: EventDraft['content']): GraphEvent =>
    room.add({ type, stateKey: '', sender: creator, content })
  state('m.room.create', { creator, room_version: version })
  room.add({ ...member(creator), stateKey: creator, sender: creator })
  state('m.room.power_levels', rules.privilegedCreators ? {} : { users: { [creator]: 100 } })
  state('m.room.join_rules', { join_rule: 'public' })
  for (let at = 0; at < members; at++) room.add(member(userOf(at)))
  return room
}

/** Two branches on which the first twenty members change their profiles, some twice, and the creator the topic and power levels. */
function forkOf(room: RoomGraph, events: number): { room: RoomGraph; roots: readonly NodeId[] } {
  const start = room.events.at(-1) ?? assert.fail()
  const roots = ['left', 'right'].map((side) => {
    let tip = start
    for (let at = 0; at < events / 2; at++) tip = room.add({ ...changeAt(room, side, at), after: [tip] })
    return tip.after
  })
  return { room, roots }
}

function changeAt({ rules }: RoomGraph, side: string, at: number): EventDraft {
  const byCreator = { stateKey: '', sender: creator }
  if (at % 10 === 4) return { type: 'm.room.topic', ...byCreator, content: { topic: `${side} ${at}` } }
  if (at % 10 !== 9) return member(userOf((at * 3) % 10), `${side} ${at}`)
  const users = rules.privilegedCreators ? {} : { [creator]: 100 }
  return { type: 'm.room.power_levels', ...byCreator, content: { users, kick: 40 + (at % 7) } }
}

/** A room of which nothing is there until it is loaded, unless all is. It counts what it is asked between two pauses. */
class CountingSource implements ResolutionSource {
  readonly #room: RoomGraph
  readonly #isLoaded: boolean
  readonly #loaded = { nodes: new Set<unknown>(), events: new Set(), links: new Set(), citing: new Set() }
  #lookups = 0
  mostLookups = 0
  loads = 0
  readonly nodes = {
    get: (id: NodeId): TrieNode | undefined =>
      this.#has('nodes', id) ? this.#room.nodes.get(id) : undefined,
  }

  constructor(room: RoomGraph, { isLoaded = false } = {}) {
    this.#room = room
    this.#isLoaded = isLoaded
  }

  /** How many different events have been loaded, in whatever part. */
  get events(): number {
    const { events, links, citing } = this.#loaded
    return events.union(links).union(citing).size
  }

  get nodeCount(): number {
    return this.#loaded.nodes.size
  }

  event(number: number): GraphEvent | undefined {
    return this.#has('events', number) ? this.#room.event(number) : undefined
  }

  links(number: number): AuthLinks | undefined {
    return this.#has('links', number) ? this.#room.links(number) : undefined
  }

  citing(number: number): readonly number[] | undefined {
    return this.#has('citing', number) ? this.#room.citing(number) : undefined
  }

  /** What the driver does at a pause. */
  resume(pause: ResolutionPause): void {
    this.#lookups = 0
    if (pause.kind === 'breathe') return
    this.loads++
    const [part, names] =
      pause.kind === 'load-nodes' ? ['nodes' as const, pause.ids] : [pause.wants, pause.numbers]
    assert.ok(names.length > 0 && names.length <= 512, 'not too much is loaded at once')
    for (const name of names) this.#loaded[part].add(name)
  }

  #has(part: 'nodes' | EventPart, name: unknown): boolean {
    this.mostLookups = Math.max(this.mostLookups, ++this.#lookups)
    return this.#isLoaded || this.#loaded[part].has(name)
  }
}
