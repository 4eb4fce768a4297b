import { test } from 'node:test'
import assert from 'node:assert/strict'
import { roomVersions } from '../versions/table.ts'
import {
  creator,
  member,
  received,
  rulesOf,
  serverA,
  serverB,
  sourceOf,
  TestRoom,
  verifyKeyOf,
  atTime,
} from './receive-fixture.ts'
import { receiveRoom, type RoomOutcome, type RoomPause } from './receive-room.ts'

interface Drive {
  readonly outcome: RoomOutcome
  readonly pauses: readonly RoomPause[]
}

function drive(checks: ReturnType<typeof receiveRoom>, load: () => void = () => undefined): Drive {
  const pauses: RoomPause[] = []
  for (;;) {
    const step = checks.next()
    if (step.done === true) return { outcome: step.value, pauses }
    pauses.push(step.value)
    load()
  }
}

/** What the joining server makes of these events, given as the state and as the auth chain. */
function receive(
  room: TestRoom,
  state: readonly unknown[],
  authChain: readonly unknown[] = state,
): RoomOutcome {
  const parts = { state: state.map(received), authChain: authChain.map(received) }
  return drive(receiveRoom(room.rules, room.id, parts, sourceOf(room).key)).outcome
}

function pdusOf(room: TestRoom): readonly object[] {
  return [...room.events.values()].map(({ pdu }) => pdu)
}

function told(outcome: RoomOutcome): string {
  if (outcome.kind === 'refused') return outcome.why
  const rejected = outcome.events.filter((event) => event.rejected).length
  return `${outcome.events.length} events, ${rejected} rejected, ${outcome.state.length} state, ${outcome.leftOut} left out`
}

test('a room is received whole, in whatever order its events come, in every version', () => {
  for (const version of roomVersions.keys()) {
    const room = new TestRoom(version)
    const pdus = pdusOf(room)
    assert.equal(told(receive(room, pdus)), '5 events, 0 rejected, 5 state, 0 left out', version)
    assert.equal(
      told(receive(room, pdus.toReversed(), [])),
      '5 events, 0 rejected, 5 state, 0 left out',
      version,
    )
    const [name] = room.state.values()
    assert.equal(told(receive(room, [name?.pdu], pdus)), '5 events, 0 rejected, 1 state, 0 left out', version)
  }
})

test('what is malformed, not signed or of another room is left out, and does not spoil the rest', () => {
  const room = new TestRoom('11')
  const [create = {}] = pdusOf(new TestRoom('12'))
  const message = room.make({ type: 'm.room.topic', stateKey: '' })
  const bad = [1, {}, { ...message.pdu, signatures: {} }, { ...message.pdu, depth: -1 }, create]
  assert.equal(
    told(receive(room, [...bad, ...pdusOf(room)], [])),
    `5 events, 0 rejected, 5 state, ${bad.length} left out`,
  )
})

test('what rests on an event that did not come is left out', () => {
  const room = new TestRoom('11')
  const rest = pdusOf(room).filter((pdu) => !('type' in pdu) || pdu.type !== 'm.room.power_levels')
  // Join rules and the second member cite the power levels.
  assert.equal(told(receive(room, rest, [])), '2 events, 0 rejected, 2 state, 2 left out')
})

test('an event that its auth events do not allow is rejected, and is no part of the state', () => {
  const room = new TestRoom('12')
  const forbidden = room.make({ type: 'm.room.name', stateKey: '', sender: member })
  const outcome = receive(room, [...pdusOf(room), forbidden.pdu])
  assert.equal(told(outcome), '6 events, 1 rejected, 5 state, 0 left out')
})

test('without the create event, or with one of another version, it is no room that can be joined', () => {
  const room = new TestRoom('10')
  const [create = {}, ...rest] = pdusOf(room)
  assert.equal(told(receive(room, rest)), 'The state of the room has no create event.')
  assert.equal(told(receive(room, rest, [create])), 'The state of the room has no create event.')
  assert.equal(told(receive(room, [])), 'The state of the room has no create event.')
  const parts = { state: pdusOf(room).map(received), authChain: [] }
  const other = drive(receiveRoom(rulesOf('9'), room.id, parts, sourceOf(room).key)).outcome
  assert.equal(told(other), 'The room is of another version.')
})

test('messages and second entries for a key are no state', () => {
  const room = new TestRoom('11')
  const message = room.make({ type: 'm.room.message', content: { body: 'x' } })
  const first = room.make({ type: 'm.room.topic', stateKey: '', content: { topic: '1' } })
  const second = room.make({ type: 'm.room.topic', stateKey: '', content: { topic: '2' } })
  const outcome = receive(room, [...pdusOf(room), message.pdu, first.pdu, second.pdu], [])
  assert.equal(told(outcome), '8 events, 0 rejected, 6 state, 0 left out')
  assert.ok(outcome.kind === 'room')
  assert.deepEqual(outcome.state.at(-1)?.event.content, { topic: '1' })
})

test('all keys are asked for in one pause', () => {
  const room = new TestRoom('11')
  let isKnown = false
  const parts = { state: pdusOf(room).map(received), authChain: pdusOf(room).map(received) }
  const key = (server: typeof serverA) => (isKnown ? verifyKeyOf(server) : undefined)
  const { outcome, pauses } = drive(receiveRoom(room.rules, room.id, parts, key), () => {
    isKnown = true
  })
  assert.equal(told(outcome), '5 events, 0 rejected, 5 state, 0 left out')
  const wanted = [serverA, serverB].map((server) => ({ server, keyIds: ['ed25519:1'], validUntilTs: atTime }))
  assert.deepEqual(pauses, [{ kind: 'load-keys', wanted }])
})

test('a large room pauses to let others run', () => {
  const room = new TestRoom('12')
  for (let i = 0; i < 120; i++) room.add({ type: 'm.room.topic', stateKey: `${i}`, sender: creator })
  const parts = { state: pdusOf(room).map(received), authChain: [] }
  const { outcome, pauses } = drive(receiveRoom(room.rules, room.id, parts, sourceOf(room).key))
  assert.equal(outcome.kind === 'room' && outcome.events.length, 125)
  assert.deepEqual(
    pauses.map(({ kind }) => kind),
    ['breathe', 'breathe', 'breathe', 'breathe'],
  )
})
