import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseEventId } from '../ids/event-id.ts'
import { parseRoomId } from '../ids/room-id.ts'
import { roomVersions } from '../versions/table.ts'
import { checkMembershipRequest, type MembershipRequest } from './membership-request.ts'
import {
  creator,
  member,
  serverB,
  serverC,
  sourceOf,
  stranger,
  TestRoom,
  type Draft,
} from './receive-fixture.ts'

type Own = 'join' | 'knock' | 'leave'

function own(membership: Own, change: Partial<Draft> = {}): Draft {
  return { type: 'm.room.member', stateKey: stranger, sender: stranger, content: { membership }, ...change }
}

/** What is wrong with an event that c.org hands over, or 'ok'. */
function judge(draft: Draft, change: Partial<MembershipRequest> = {}, version = '11'): string {
  const room = new TestRoom(version)
  const { pdu, built } = room.make(draft)
  const request = {
    membership: 'join',
    origin: serverC,
    roomId: room.id,
    eventId: built.eventId,
    ...change,
  } as const
  const verdict = checkMembershipRequest(room.rules, pdu, request, sourceOf(room).key)
  return verdict.ok ? 'ok' : verdict.why
}

test('a join, knock or leave of a user of the sending server is what it says, in every room version', () => {
  for (const version of roomVersions.keys()) {
    for (const membership of ['join', 'knock', 'leave'] as const)
      assert.equal(judge(own(membership), { membership }, version), 'ok', `${version} ${membership}`)
  }
})

test('what is not what the request says is refused', () => {
  const cases: readonly (readonly [Draft, Partial<MembershipRequest>, RegExp])[] = [
    [own('join', { type: 'm.room.message' }), {}, /no membership/],
    [own('leave'), {}, /not "join"/],
    [own('join', { content: {} }), {}, /not "join"/],
    [own('join'), { membership: 'knock' }, /not "knock"/],
    [own('join', { stateKey: member }), {}, /somebody else/],
    [own('leave', { stateKey: creator }), { membership: 'leave' }, /somebody else/],
    [own('join', { sender: member, stateKey: member }), {}, /not of the server that sent/],
    [own('join'), { origin: serverB }, /not of the server that sent/],
    [own('join'), { roomId: parseRoomId('!other:a.org') }, /another room/],
    [own('join'), { eventId: parseEventId(`$${'x'.repeat(43)}`) }, /another id/],
  ]
  for (const [draft, change, why] of cases) assert.match(judge(draft, change), why)
})

test('an event that its server has not signed is refused', () => {
  const room = new TestRoom('12')
  const { pdu, built } = room.make(own('join'))
  const request = { membership: 'join', origin: serverC, roomId: room.id, eventId: built.eventId } as const
  const verdict = checkMembershipRequest(room.rules, { ...pdu, signatures: {} }, request, sourceOf(room).key)
  assert.deepEqual(verdict, { ok: false, why: 'The event is not signed by its server.' })
})
