import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildEvent } from '#protocol/events/build.ts'
import { referenceHash } from '#protocol/events/hash.ts'
import { redact } from '#protocol/events/redact.ts'
import { isEventIdOfFormat } from '#protocol/ids/event-id.ts'
import { parseRoomId } from '#protocol/ids/room-id.ts'
import { parseUserId } from '#protocol/ids/user-id.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import { rulesFor } from '#protocol/versions/table.ts'
import { chooseEventId, createEventId, explicitIdOf, hashOfBuilt, hashOfStored } from './reference-hashes.ts'

const alice = parseUserId('@alice:a.org:8448')
const room = parseRoomId('!hall:[::1]:8448')

function rules(version: number): RoomVersionRules {
  const found = rulesFor(String(version))
  assert.ok(found)
  return found
}

/** Randomness that is not. */
function fixed(byte: number): { bytes(count: number): Uint8Array } {
  return { bytes: (count) => new Uint8Array(count).fill(byte) }
}

test('ids are chosen in versions 1 and 2 alone, by the given randomness, on the server of the sender', () => {
  for (const version of [1, 2]) {
    const id = chooseEventId(rules(version), alice, fixed(7))
    assert.ok(id !== undefined && isEventIdOfFormat('v1', id))
    assert.match(id, /:a\.org:8448$/)
    assert.equal(chooseEventId(rules(version), alice, fixed(7)), id)
    assert.notEqual(chooseEventId(rules(version), alice, fixed(8)), id)
  }
  for (let version = 3; version <= 12; version++) {
    assert.equal(chooseEventId(rules(version), alice, fixed(7)), undefined)
    assert.equal(createEventId(rules(version), room), undefined)
  }
})

test('the create event has the opaque part of its room id', () => {
  assert.equal(createEventId(rules(1), room), '$hall:[::1]:8448')
  assert.equal(createEventId(rules(1), undefined), undefined)
})

test('the hash of an event is the same when built, when stored and when redacted', () => {
  const first = createEventId(rules(2), room)
  assert.ok(first)
  const built = buildEvent(rules(2), {
    type: 'm.room.message',
    sender: alice,
    roomId: room,
    content: { body: 'x' },
    prevEvents: [first],
    authEvents: [first],
    depth: 2,
    originServerTs: 1,
    explicitId: explicitIdOf(first, [{ eventId: first, referenceHash: 'hash' }]),
  })
  const hash = hashOfBuilt(rules(2), built)
  assert.equal(hash, referenceHash(rules(2), built.pdu))
  assert.equal(hashOfStored(rules(2), built.pdu), hash)
  assert.equal(hashOfStored(rules(2), redact(rules(2), built.pdu)), hash)
  assert.equal(hashOfBuilt(rules(3), built), undefined)
  assert.deepEqual(built.pdu.prev_events, [[first, { sha256: 'hash' }]])
})
