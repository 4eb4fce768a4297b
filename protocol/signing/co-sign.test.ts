import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseEventId } from '../ids/event-id.ts'
import { parseRoomId } from '../ids/room-id.ts'
import {
  creator,
  keyOf,
  member,
  serverA,
  serverB,
  serverC,
  sourceOf,
  stranger,
  TestRoom,
  verifyKeyOf,
  type Draft,
} from '../receive/receive-fixture.ts'
import { roomVersions } from '../versions/table.ts'
import { acceptAuthorisedJoin, acceptInvite, coSign, type CoSignRequest } from './co-sign.ts'
import { withSignatures } from './sign.ts'
import { verifyAuthorisedJoin } from './verify.ts'

const invite: Draft = { type: 'm.room.member', stateKey: stranger, content: { membership: 'invite' } }
const join: Draft = {
  type: 'm.room.member',
  stateKey: stranger,
  sender: stranger,
  content: { membership: 'join', join_authorised_via_users_server: creator },
}

/** What is wrong with an invite from a.org to c.org, or 'ok'. */
function judgeInvite(draft: Draft, change: Partial<CoSignRequest> = {}, version = '11'): string {
  const room = new TestRoom(version)
  const { pdu, built } = room.make(draft)
  const request = {
    origin: serverA,
    destination: serverC,
    roomId: room.id,
    eventId: built.eventId,
    ...change,
  }
  const verdict = acceptInvite(room.rules, pdu, request, sourceOf(room).key)
  return verdict.ok ? 'ok' : verdict.why
}

test('an invite to a user of this server is signed, in every room version', () => {
  for (const version of roomVersions.keys()) assert.equal(judgeInvite(invite, {}, version), 'ok', version)
})

test('nothing else that comes as an invite is signed', () => {
  const cases: readonly (readonly [Draft, Partial<CoSignRequest>, RegExp])[] = [
    [{ type: 'm.room.power_levels', stateKey: '', content: { membership: 'invite' } }, {}, /no membership/],
    [{ ...invite, content: { membership: 'join' } }, {}, /membership is not "invite"/],
    [{ ...invite, content: { membership: 'ban' } }, {}, /membership is not "invite"/],
    [{ ...invite, stateKey: member }, {}, /not of this server/],
    [{ ...invite, stateKey: 'c.org' }, {}, /not of this server/],
    [{ ...invite, sender: member }, {}, /not of the server that sent/],
    [{ ...invite, sender: stranger }, {}, /not of the server that sent/],
    [invite, { origin: serverB }, /not of the server that sent/],
    [invite, { roomId: parseRoomId('!other:a.org') }, /another room/],
    [invite, { eventId: parseEventId(`$${'x'.repeat(43)}`) }, /another id/],
  ]
  for (const [draft, change, why] of cases) assert.match(judgeInvite(draft, change), why)
})

test('an invite that its own server has not signed is not signed here', () => {
  const room = new TestRoom('11')
  const { pdu, built } = room.make(invite)
  const request = { origin: serverA, destination: serverC, roomId: room.id, eventId: built.eventId }
  const unsigned = acceptInvite(room.rules, { ...pdu, signatures: {} }, request, sourceOf(room).key)
  assert.equal(unsigned.ok, false)
  const unknown = acceptInvite(room.rules, pdu, request, () => undefined)
  assert.equal(unknown.ok, false)
})

test('a join that a user of this server authorises is signed, and then valid', () => {
  const room = new TestRoom('11')
  const { pdu, built } = room.make(join)
  const keys = sourceOf(room).key
  const request = { origin: serverC, destination: serverA, roomId: room.id, eventId: built.eventId }
  const verdict = acceptAuthorisedJoin(room.rules, pdu, request, keys)
  assert.ok(verdict.ok)
  assert.equal(verifyAuthorisedJoin(room.rules, pdu, keys).ok, false)
  const signed = withSignatures(pdu, [coSign(verdict.event, serverA, keyOf(serverA))])
  assert.equal(verifyAuthorisedJoin(room.rules, signed, (server) => verifyKeyOf(server)).ok, true)
})

test('no other join is signed', () => {
  const judge = (draft: Draft, change: Partial<CoSignRequest> = {}, version = '11'): string => {
    const room = new TestRoom(version)
    const { pdu, built } = room.make(draft)
    const request = {
      origin: serverC,
      destination: serverA,
      roomId: room.id,
      eventId: built.eventId,
      ...change,
    }
    const verdict = acceptAuthorisedJoin(room.rules, pdu, request, sourceOf(room).key)
    return verdict.ok ? 'ok' : verdict.why
  }
  assert.equal(judge(join), 'ok')
  assert.match(judge(join, {}, '7'), /no restricted joins/)
  assert.match(judge({ ...join, stateKey: member }), /of somebody else/)
  assert.match(
    judge({ ...join, content: { ...join.content, membership: 'leave' } }),
    /membership is not "join"/,
  )
  assert.match(judge({ ...join, content: { membership: 'join' } }), /not authorised by a user/)
  assert.match(
    judge({ ...join, content: { membership: 'join', join_authorised_via_users_server: member } }),
    /not authorised by a user/,
  )
  assert.match(judge(join, { origin: serverB }), /not of the server that sent/)
})
