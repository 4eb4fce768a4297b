import { test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { parseEventId, type EventId } from '../ids/event-id.ts'
import { orderByAuthEvents, type AuthNode } from './auth-order.ts'

const idOf = (number: number): EventId => parseEventId(`$${number}`)
const node = (number: number, ...auth: number[]): AuthNode => ({
  eventId: idOf(number),
  authEvents: auth.map(idOf),
})
const idsOf = (nodes: readonly AuthNode[]): readonly EventId[] => nodes.map(({ eventId }) => eventId)

test('each event comes after its auth events, whatever order they came in', () => {
  const graph = fc.array(fc.array(fc.nat(), { maxLength: 4 }), { maxLength: 40 })
  fc.assert(
    fc.property(graph, fc.infiniteStream(fc.nat()), (edges, order) => {
      const nodes = edges.map((auth, i) => node(i, ...(i === 0 ? [] : auth.map((target) => target % i))))
      const shuffled = nodes
        .map((one) => [order.next().value ?? 0, one] as const)
        .toSorted(([a], [b]) => a - b)
        .map(([, one]) => one)
      const { ordered, incomplete } = orderByAuthEvents(shuffled)
      assert.deepEqual(incomplete, [])
      assert.equal(ordered.length, nodes.length)
      const seen = new Set<EventId>()
      for (const one of ordered) {
        assert.ok(one.authEvents.every((id) => seen.has(id)))
        seen.add(one.eventId)
      }
    }),
    { numRuns: 200 },
  )
})

test('what rests on an event that is not there is incomplete, unless it is known', () => {
  const nodes = [node(1), node(2, 9), node(3, 2, 1), node(4, 1)]
  const without = orderByAuthEvents(nodes)
  assert.deepEqual(
    [idsOf(without.ordered), idsOf(without.incomplete)],
    [
      ['$1', '$4'],
      ['$2', '$3'],
    ],
  )
  const known = orderByAuthEvents(nodes, (id) => id === '$9')
  assert.deepEqual([idsOf(known.ordered), known.incomplete], [['$1', '$2', '$4', '$3'], []])
})

test('events that lead to themselves are incomplete', () => {
  const { ordered, incomplete } = orderByAuthEvents([
    node(1),
    node(2, 3),
    node(3, 2),
    node(4, 4),
    node(5, 1, 1),
  ])
  assert.deepEqual(
    [idsOf(ordered), idsOf(incomplete)],
    [
      ['$1', '$5'],
      ['$2', '$3', '$4'],
    ],
  )
})

test('of two events with the same id the first one counts', () => {
  const first = node(1)
  const { ordered } = orderByAuthEvents([first, node(1, 9)])
  assert.equal(ordered.length, 1)
  assert.equal(ordered[0], first)
})

test('a chain of twenty thousand events is ordered', () => {
  const chain = Array.from({ length: 20_000 }, (_, i) => (i === 0 ? node(0) : node(i, i - 1, 0)))
  assert.equal(orderByAuthEvents(chain.toReversed()).ordered.length, 20_000)
})
