/** Rooms that proposals for state resolution describe (MSC1442, MSC4297), with what each algorithm makes of them. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { parseUserId } from '../ids/user-id.ts'
import type { JsonObject } from '../json/types.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { roomVersions } from '../versions/table.ts'
import { RoomGraph, type EventDraft, type GraphEvent } from './room-fixture.ts'
import type { NodeId } from './trie-node.ts'

interface ResolutionFixture {
  readonly cases: readonly ResolutionCase[]
}

interface ResolutionCase {
  readonly name: string
  readonly source: string
  readonly events: readonly EventFixture[]
  readonly states: readonly StateFixture[]
  readonly resolved: { readonly [Algorithm in RoomVersionRules['stateResolution']]?: readonly Entry[] }
}

interface EventFixture {
  /** How the case calls the event. */
  readonly id: string
  readonly type: string
  readonly sender: string
  readonly stateKey?: string
  readonly content: JsonObject
  readonly after?: readonly string[]
  readonly originServerTs?: number
  /** The state before the event refuses it. */
  readonly rejected?: true
}

/** The state after an event, with these events under their entries instead. */
interface StateFixture {
  readonly after: string
  readonly with?: readonly string[]
}

interface Entry {
  readonly type: string
  readonly stateKey: string
  readonly event: string | null
}

const file = new URL('../../test/fixtures/state-resolution.json', import.meta.url)
// The cast is sound as long as the tests below pass.
const fixture = JSON.parse(readFileSync(file, 'utf8')) as ResolutionFixture

/** A case's room in one version, its events by the names that the case gives them. */
class NamedRoom {
  readonly graph: RoomGraph
  readonly #events = new Map<string, GraphEvent>()
  readonly #names = new Map<GraphEvent, string>()

  constructor(rules: RoomVersionRules, events: readonly EventFixture[]) {
    this.graph = new RoomGraph(rules)
    for (const event of events) this.#add(event)
  }

  event(name: string): GraphEvent {
    return this.#events.get(name) ?? assert.fail(`no event ${name}`)
  }

  state({ after, with: replaced = [] }: StateFixture): NodeId {
    const entries = this.graph.entries(this.event(after).after)
    for (const event of replaced.map((name) => this.event(name))) entries.set(keyOf(event), event)
    return this.graph.stateOf(entries.values())
  }

  /** The name of the event under an entry of a state, or null. */
  nameUnder(state: NodeId, { type, stateKey }: Entry): string | null {
    const event = this.graph.entries(state).get(keyOf({ type, stateKey }))
    return event === undefined ? null : (this.#names.get(event) ?? assert.fail('an event of another room'))
  }

  #add(fixtureEvent: EventFixture): void {
    const draft = this.#draftOf(fixtureEvent)
    const added = fixtureEvent.rejected === true ? this.#addRejected(draft) : this.graph.add(draft)
    this.#events.set(fixtureEvent.id, added)
    this.#names.set(added, fixtureEvent.id)
  }

  #addRejected(draft: EventDraft): GraphEvent {
    const event = { ...this.graph.draft(draft), isRejected: true }
    this.graph.events.push(event)
    return event
  }

  #draftOf({ type, stateKey, sender, content, after, originServerTs }: EventFixture): EventDraft {
    return {
      type,
      sender: parseUserId(sender),
      content: contentIn(this.graph.rules, type, sender, content),
      ...(stateKey === undefined ? {} : { stateKey }),
      ...(after === undefined ? {} : { after: after.map((name) => this.event(name)) }),
      ...(originServerTs === undefined ? {} : { originServerTs }),
    }
  }
}

function keyOf({ type, stateKey }: { type: string; stateKey?: string | undefined }): string {
  return JSON.stringify([type, stateKey])
}

/** Says what versions differ in: who the creator is, and that power levels must not name him in version 12. */
function contentIn(rules: RoomVersionRules, type: string, sender: string, content: JsonObject): JsonObject {
  if (type === 'm.room.create') return { ...content, creator: sender, room_version: rules.id }
  if (type !== 'm.room.power_levels' || !rules.privilegedCreators) return content
  const { '@alice:a.org': _creator, ...users } = content['users'] as JsonObject
  return { ...content, users }
}

describe('state resolution', () => {
  for (const { name, source, events, states, resolved } of fixture.cases) {
    for (const rules of roomVersions.values()) {
      const expected = resolved[rules.stateResolution]
      if (expected === undefined) continue
      it(`of version ${rules.id}: ${name} (${source})`, () => {
        const room = new NamedRoom(rules, events)
        const roots = states.map((state) => room.state(state))
        for (const order of [roots, roots.toReversed()]) {
          const { root } = room.graph.resolve(order)
          const found: readonly Entry[] = expected.map((entry) => ({
            ...entry,
            event: room.nameUnder(root, entry),
          }))
          assert.deepEqual(found, expected)
        }
      })
    }
  }

  it('has cases of both proposals for both algorithms, and a version for each algorithm', () => {
    const algorithms = new Set([...roomVersions.values()].map((rules) => rules.stateResolution))
    assert.deepEqual(algorithms, new Set(['v1', 'v2', 'v2.1']))
    for (const proposal of ['MSC1442', 'MSC4297']) {
      for (const algorithm of ['v2', 'v2.1'] as const) {
        const found = fixture.cases.filter(
          ({ source, resolved }) => source.startsWith(proposal) && resolved[algorithm] !== undefined,
        )
        assert.ok(found.length >= 2, `${proposal} ${algorithm}`)
      }
    }
  })
})
