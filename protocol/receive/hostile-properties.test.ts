/** No event of another server, whatever is in it, makes the checks throw, run on, or accept what its sender has not signed. */

import { test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { parseReceivedJson } from '../json/received.ts'
import { signatureOf } from '../signing/sign.ts'
import { referenceJson } from '../events/hash.ts'
import { checkReceivedFormat, type Pdu } from '../events/pdu.ts'
import { JsonError } from '../json/types.ts'
import { roomVersions } from '../versions/table.ts'
import {
  creator,
  keyOf,
  member,
  run,
  serverA,
  serverB,
  sourceOf,
  stranger,
  TestRoom,
} from './receive-fixture.ts'
import { receivePdu } from './receive-pdu.ts'

const rooms = [...roomVersions.keys()].map((version) => new TestRoom(version))
const drafts = [
  { type: 'm.room.message', sender: member, content: { body: 'x' } },
  { type: 'm.room.power_levels', stateKey: '', content: { users: {} } },
  { type: 'm.room.member', stateKey: stranger, content: { membership: 'invite' } },
  { type: 'm.room.create', stateKey: '', content: {}, prevEvents: [] },
  { type: 'm.room.redaction', sender: member, content: {} },
]
const places = [
  'type',
  'state_key',
  'sender',
  'room_id',
  'content',
  'prev_events',
  'auth_events',
  'depth',
  'origin_server_ts',
  'hashes',
  'signatures',
  'unsigned',
  'redacts',
  'event_id',
  'content.membership',
  'content.users',
  'content.third_party_invite',
  'content.join_authorised_via_users_server',
  'content.additional_creators',
  'content.room_version',
  '__proto__',
]
const hostileValue = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(-1, 1.5, 2 ** 60, '', 'x'.repeat(300), '\0', '@a:b', creator, [], {}, [[]], [{}], null),
)

/** A good event with something else in some places. */
function spoil(event: object, changes: readonly (readonly [place: string, value: unknown])[]): string {
  const spoilt = structuredClone(event) as Record<string, unknown>
  const define = (target: object, key: string, value: unknown): void => {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
  }
  for (const [place, value] of changes) {
    const [outer = '', inner] = place.split('.')
    const content = spoilt[outer]
    if (inner === undefined) define(spoilt, outer, value)
    else if (typeof content === 'object' && content !== null) define(content, inner, value)
  }
  return JSON.stringify(spoilt)
}

/** The text with signatures of the servers of the room over what is left of it, if it has any form at all. */
function signAnew(room: TestRoom, text: string): string {
  const form = checkReceivedFormat(room.rules, parseReceivedJson(text))
  if (!form.ok) return text
  const sign = (server: typeof serverA): object => {
    const { keyId, signature } = signatureOf(referenceOf(room, form.pdu), server, keyOf(server))
    return { [keyId]: signature }
  }
  return JSON.stringify({ ...form.pdu, signatures: { [serverA]: sign(serverA), [serverB]: sign(serverB) } })
}

function referenceOf(room: TestRoom, pdu: Pdu): string {
  try {
    return referenceJson(room.rules, pdu)
  } catch (error) {
    assert.ok(error instanceof JsonError)
    return ''
  }
}

const spoiltEvent = fc.record({
  room: fc.constantFrom(...rooms),
  draft: fc.constantFrom(...drafts),
  changes: fc.array(fc.tuple(fc.constantFrom(...places), hostileValue), { minLength: 1, maxLength: 3 }),
})

test('an event with anything in it comes to an end, signed or not', () => {
  fc.assert(
    fc.property(spoiltEvent, fc.boolean(), ({ room, draft, changes }, isSigned) => {
      const text = spoil(room.make(draft).pdu, changes)
      const received = parseReceivedJson(isSigned ? signAnew(room, text) : text)
      const { pauses } = run(receivePdu(room.rules, received, sourceOf(room), { isLive: true }))
      assert.ok(pauses.length <= 7)
    }),
    { numRuns: 600 },
  )
})

test('what survives redaction cannot be changed without the signature being wrong', () => {
  const essential = ['type', 'state_key', 'prev_events', 'auth_events', 'depth', 'origin_server_ts', 'hashes']
  const change = fc.tuple(fc.constantFrom(...essential), hostileValue)
  fc.assert(
    fc.property(
      fc.constantFrom(...rooms),
      fc.constantFrom(...drafts.slice(0, 2)),
      change,
      (room, draft, one) => {
        const { pdu } = room.make(draft)
        const text = spoil(pdu, [one])
        fc.pre(JSON.stringify(JSON.parse(text)) !== JSON.stringify(pdu))
        const { result } = run(
          receivePdu(room.rules, parseReceivedJson(text), sourceOf(room), { isLive: true }),
        )
        assert.equal(result.kind, 'dropped')
      },
    ),
    { numRuns: 300 },
  )
})
