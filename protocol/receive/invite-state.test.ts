import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseReceivedJson } from '../json/received.ts'
import { parseRoomId } from '../ids/room-id.ts'
import { roomVersions } from '../versions/table.ts'
import { checkInviteState, strippedStateOf } from './invite-state.ts'
import { creator, received, sourceOf, TestRoom } from './receive-fixture.ts'

test('what clients see of the state of an invite is stripped, and what is no state event is left out', () => {
  const name = { type: 'm.room.name', state_key: '', sender: creator, content: { name: 'x' } }
  const whole = { ...name, room_id: '!r:a.org', event_id: '$e', unsigned: { a: 1 }, origin_server_ts: 1 }
  const bad = [1, [], {}, { ...name, state_key: 1 }, { ...name, sender: 'x' }, { ...name, content: [] }]
  assert.deepEqual(strippedStateOf([...bad, whole, { ...name, content: { name: 'y' } }]), [name])
  const many = Array.from({ length: 1_000 }, (_, i) => ({ ...name, state_key: `${i}` }))
  assert.equal(strippedStateOf(many).length, 100)
})

test('the state of an invite must be events of its room, signed, with the create event', () => {
  for (const version of roomVersions.keys()) {
    const room = new TestRoom(version)
    const pdus = [...room.events.values()].map(({ pdu }) => pdu)
    const check = (events: readonly object[], roomId = room.id): string => {
      const verdict = checkInviteState(room.rules, events.map(received), roomId, sourceOf(room).key)
      return verdict.ok ? `ok ${verdict.events.length}` : verdict.why
    }
    const [create = {}, ...others] = pdus
    assert.equal(check(pdus), 'ok 5', version)
    assert.equal(check(others), 'The create event of the room is missing.')
    assert.equal(check([]), 'The create event of the room is missing.')
    assert.match(check(pdus, parseRoomId('!other:a.org')), /of another room/)
    assert.match(check([{ ...create, signatures: {} }]), /is not signed/)
    assert.match(check([create, { type: 'm.room.name', state_key: '', content: {} }]), /must be/)
  }
})

test('an entry that hides something in its text is not accepted either', () => {
  const room = new TestRoom('12')
  const text = JSON.stringify(room.stateEvent('m.room.create').pdu).replace('"depth"', '"n":1.0,"depth"')
  assert.equal(checkInviteState(room.rules, [parseReceivedJson(text)], room.id, sourceOf(room).key).ok, false)
})
