import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseUserId } from '../ids/user-id.ts'
import { parseReceivedJson } from '../json/received.ts'
import type { JsonObject } from '../json/types.ts'
import { signatureOf } from '../signing/sign.ts'
import { roomVersions } from '../versions/table.ts'
import type { ReceiptOutcome } from './outcome.ts'
import { policyKeyId } from './policy-server.ts'
import {
  atTime,
  creator,
  keyOf,
  member,
  received,
  run,
  serverA,
  serverB,
  serverC,
  sourceOf,
  stranger,
  TestRoom,
  verifyKeyOf,
  type Draft,
} from './receive-fixture.ts'
import { receivePdu, type ReceiptPause, type ReceiptSource } from './receive-pdu.ts'

const versions = [...roomVersions.keys()]
const live = { isLive: true }
const message: Draft = { type: 'm.room.message', sender: member, content: { body: 'x' } }

function judge(
  room: TestRoom,
  pdu: object,
  source: ReceiptSource = sourceOf(room),
  load?: (pause: ReceiptPause) => void,
): { outcome: ReceiptOutcome; pauses: readonly string[] } {
  const { result, pauses } = run(receivePdu(room.rules, received(pdu), source, live), load)
  return { outcome: result, pauses: pauses.map((pause) => pause.kind) }
}

/** The outcome in one word or three: what it is, the check that failed, the rule. */
function told(outcome: ReceiptOutcome): string {
  if (outcome.kind === 'accepted') return 'accepted'
  if (outcome.kind === 'undecided') return `undecided ${outcome.missing.length}`
  return `${outcome.kind} ${outcome.failure.check} ${outcome.failure.rule}`
}

function judged(room: TestRoom, pdu: object, source?: ReceiptSource): string {
  return told(judge(room, pdu, source).outcome)
}

test('an event that passes every check is accepted, in every room version', () => {
  for (const version of versions) {
    const room = new TestRoom(version)
    const made = room.make(message)
    const { outcome, pauses } = judge(room, made.pdu)
    assert.equal(told(outcome), 'accepted', version)
    assert.ok(outcome.kind === 'accepted')
    assert.equal(outcome.verified.eventId, made.built.eventId)
    assert.equal(outcome.verified.roomId, room.id)
    assert.equal(outcome.verified.redacted, false)
    assert.deepEqual(JSON.parse(outcome.verified.json), JSON.parse(JSON.stringify(made.pdu)))
    assert.deepEqual(pauses, ['load-state', 'load-state'], version)
  }
})

test('the events that make a room are accepted one after the other', () => {
  for (const version of versions) {
    const room = new TestRoom(version)
    const known = new Map<string, ReturnType<TestRoom['make']>>()
    const state = new Map<string, ReturnType<TestRoom['make']>>()
    for (const made of room.events.values()) {
      const lookup = (type: string, stateKey: string) => state.get(`${type} ${stateKey}`)?.listed
      const source = sourceOf(room, {
        authEvent: (id) => known.get(id)?.listed,
        stateBefore: lookup,
        currentState: lookup,
      })
      assert.equal(judged(room, made.pdu, source), 'accepted', `${version} ${made.pdu.type}`)
      known.set(made.built.eventId, made)
      state.set(`${made.pdu.type} ${made.pdu.state_key}`, made)
    }
  }
})

test('1: what has not the form of its version is dropped, and nothing is fetched for it', () => {
  const room = new TestRoom('12')
  const { pdu } = room.make(message)
  const cases: readonly (readonly [object, string])[] = [
    [{ ...pdu, depth: -1 }, 'dropped form depth'],
    [{ ...pdu, prev_events: 1 }, 'dropped form prev_events'],
    [{ ...pdu, unsigned: 1 }, 'dropped form unsigned'],
    [[pdu], 'dropped form not_an_object'],
  ]
  for (const [event, expected] of cases) {
    const { outcome, pauses } = judge(room, event)
    assert.equal(told(outcome), expected)
    assert.deepEqual(pauses, [])
  }
})

test('1: numbers, equal keys and lone surrogates are judged by the room version', () => {
  const verdict = (version: string, change: (text: string) => string): string => {
    const room = new TestRoom(version)
    const text = change(JSON.stringify(room.make(message).pdu))
    return told(run(receivePdu(room.rules, parseReceivedJson(text), sourceOf(room), live)).result)
  }
  const floating = (text: string): string => text.replace('"body":"x"', '"body":"x","n":1.0')
  const twice = (text: string): string => text.replace('"body":"x"', '"body":"y","body":"x"')
  const lone = (text: string): string => text.replace('"body":"x"', String.raw`"body":"\ud800"`)
  const infinite = (text: string): string => text.replace('"body":"x"', '"body":"x","n":1e999')
  const bad = 'dropped form not_canonical_json'
  assert.deepEqual(
    [floating, twice, lone, infinite].map((change) => verdict('6', change)),
    [bad, bad, bad, bad],
  )
  // The content hash of the changed event is another one, so it goes on in its redacted form.
  assert.deepEqual(
    [floating, twice, lone, infinite].map((change) => verdict('5', change)),
    ['accepted', 'accepted', bad, bad],
  )
})

test('1: a depth that no double holds is signed and hashed by its digits in the old versions', () => {
  const room = new TestRoom('5')
  const { pdu } = room.make(message)
  const source = sourceOf(room, { key: () => undefined })
  const text = JSON.stringify(pdu).replace(/"depth":\d+/, '"depth":9223372036854775807')
  const { result } = run(receivePdu(room.rules, parseReceivedJson(text), source, live))
  assert.equal(told(result), 'dropped signature no_known_key')
  const verified = run(
    receivePdu(room.rules, parseReceivedJson(signedAnew(room, text)), sourceOf(room), live),
  ).result
  assert.ok(verified.kind === 'accepted')
  assert.match(verified.verified.json, /"depth":9223372036854775807,/)
})

/** The text with the signature of b.org over its redacted form, made by hand as another server makes it. */
function signedAnew(room: TestRoom, text: string): string {
  const event = JSON.parse(text) as JsonObject
  const kept = [
    'auth_events',
    'depth',
    'hashes',
    'origin_server_ts',
    'prev_events',
    'room_id',
    'sender',
    'type',
  ]
  const members = [...kept, 'content'].sort().map((key) => {
    if (key === 'content') return '"content":{}'
    return key === 'depth' ? '"depth":9223372036854775807' : `"${key}":${JSON.stringify(event[key])}`
  })
  const { signature } = signatureOf(`{${members.join(',')}}`, serverB, keyOf(serverB))
  assert.equal(room.rules.id, '5')
  return text.replace(/"ed25519:1":"[^"]*"/, `"ed25519:1":"${signature}"`)
}

test('2: an event without a good signature of its sender is dropped', () => {
  const room = new TestRoom('11')
  const { pdu } = room.make(message)
  const forged = signatureOf(JSON.stringify(pdu), serverB, keyOf(serverB)).signature
  const cases: readonly (readonly [JsonObject, string])[] = [
    [{}, 'no_signature'],
    [{ 'c.org': pdu.signatures?.['b.org'] ?? {} }, 'no_signature'],
    [{ 'b.org': { 'ed25519:1': forged } }, 'bad_signature'],
    [{ 'b.org': { 'ed25519:2': forged } }, 'no_known_key'],
  ]
  for (const [signatures, rule] of cases) {
    assert.equal(judged(room, { ...pdu, signatures }), `dropped signature ${rule}`)
  }
})

test('2: keys are asked for when they are not known, once, with the time for which they must be valid', () => {
  for (const [version, validUntilTs] of [
    ['4', undefined],
    ['5', atTime],
  ] as const) {
    const room = new TestRoom(version)
    let isKnown = false
    const source = sourceOf(room, { key: (server) => (isKnown ? verifyKeyOf(server) : undefined) })
    const asked: ReceiptPause[] = []
    const { outcome } = judge(room, room.make(message).pdu, source, (pause) => {
      asked.push(pause)
      isKnown = true
    })
    assert.equal(told(outcome), 'accepted')
    assert.deepEqual(asked[0], {
      kind: 'load-keys',
      wanted: [{ server: serverB, keyIds: ['ed25519:1'], validUntilTs }],
    })
    const unknown = judge(room, room.make(message).pdu, sourceOf(room, { key: () => undefined }))
    assert.equal(told(unknown.outcome), 'dropped signature no_known_key')
    assert.deepEqual(unknown.pauses, ['load-keys'])
  }
})

test('2: a key that was not valid any more when the event was made counts from version 5 on as none', () => {
  const verdict = (version: string): string => {
    const room = new TestRoom(version)
    const source = sourceOf(room, { key: (server) => verifyKeyOf(server, { validUntilTs: atTime - 1 }) })
    return judged(room, room.make(message).pdu, source)
  }
  assert.equal(verdict('4'), 'accepted')
  assert.equal(verdict('5'), 'dropped signature no_known_key')
})

test('3: an event with another content hash goes on redacted, under the same id', () => {
  for (const version of versions) {
    const room = new TestRoom(version)
    const made = room.make(message)
    const { outcome } = judge(room, { ...made.pdu, content: { body: 'forged' }, unsigned: { age: 5 } })
    assert.ok(outcome.kind === 'accepted', version)
    const { verified } = outcome
    assert.equal(verified.redacted, true)
    assert.equal(verified.eventId, made.built.eventId)
    assert.deepEqual(verified.pdu.content, {})
    assert.doesNotMatch(verified.json, /forged/)
  }
})

test('3: a third-party invite that redaction makes an ordinary one must be signed by its sender', () => {
  for (const [version, expected] of [
    ['10', 'dropped signature no_signature'],
    ['11', 'rejected auth-events invite.third_party'],
  ] as const) {
    const room = new TestRoom(version)
    const signed = { mxid: stranger, token: 'x', signatures: {} }
    const content = { membership: 'invite', third_party_invite: { display_name: 'x', signed } }
    const { pdu } = room.make({ type: 'm.room.member', stateKey: stranger, content })
    const forged = { ...pdu, hashes: { sha256: 'x' }, signatures: {} }
    assert.equal(judged(room, forged), expected, version)
    const unsignedOne = { ...pdu, signatures: {} }
    assert.equal(judged(room, unsignedOne), 'rejected auth-events invite.third_party', version)
  }
})

test('nothing that other servers say in `unsigned` is kept, but the state that comes with an invite', () => {
  const room = new TestRoom('11')
  const unsigned = {
    age: 1,
    transaction_id: 'x',
    redacted_because: {},
    membership: 'join',
    'm.relations': {},
  }
  const plain = judge(room, { ...room.make(message).pdu, unsigned }).outcome
  assert.ok(plain.kind === 'accepted')
  assert.equal(plain.verified.pdu.unsigned, undefined)
  const invite: Draft = { type: 'm.room.member', stateKey: stranger, content: { membership: 'invite' } }
  const state = [{ type: 'm.room.name' }]
  const invited = judge(room, {
    ...room.make(invite).pdu,
    unsigned: { ...unsigned, invite_room_state: state, knock_room_state: 'x' },
  }).outcome
  assert.ok(invited.kind === 'accepted')
  assert.deepEqual(invited.verified.pdu.unsigned, { invite_room_state: state })
})

test('4: auth events that are not known are asked for, and without them nothing is decided', () => {
  for (const version of ['10', '12']) {
    const room = new TestRoom(version)
    const { pdu } = room.make(message)
    const wanted: ReceiptPause[] = []
    let isKnown = false
    const source = sourceOf(room, { authEvent: (id) => (isKnown ? room.events.get(id)?.listed : undefined) })
    const { outcome } = judge(room, pdu, source, (pause) => {
      wanted.push(pause)
      isKnown = true
    })
    assert.equal(told(outcome), 'accepted')
    const create = room.stateEvent('m.room.create').built.eventId
    const listed = pdu.auth_events as readonly string[]
    assert.deepEqual(wanted[0], {
      kind: 'load-auth-events',
      ids: version === '12' ? [...listed, create] : listed,
    })
    assert.equal(judged(room, pdu, sourceOf(room, { authEvent: () => undefined })), 'undecided 3')
  }
})

test('4: what the auth events do not allow is rejected', () => {
  const room = new TestRoom('11')
  const create = room.stateEvent('m.room.create').built.eventId
  const levels = room.stateEvent('m.room.power_levels').built.eventId
  const own = room.stateEvent('m.room.member', member).built.eventId
  const rules = room.stateEvent('m.room.join_rules').built.eventId
  const cases: readonly (readonly [Draft, string])[] = [
    [{ ...message, authEvents: [create, levels] }, 'sender_not_joined'],
    [{ ...message, authEvents: [levels, own] }, 'auth_events.no_create'],
    [{ ...message, authEvents: [create, levels, own, own] }, 'auth_events.duplicate'],
    [{ ...message, authEvents: [create, levels, own, rules] }, 'auth_events.unexpected'],
    [{ type: 'm.room.name', stateKey: '', sender: member }, 'event.level'],
  ]
  for (const [draft, rule] of cases) {
    assert.equal(judged(room, room.make(draft).pdu), `rejected auth-events ${rule}`)
  }
  const rejected = sourceOf(room, {
    authEvent: (id) => {
      const listed = room.events.get(id)?.listed
      return listed && { ...listed, rejected: id === own }
    },
  })
  assert.equal(judged(room, room.make(message).pdu, rejected), 'rejected auth-events auth_events.rejected')
})

test('4: the create event that a room id of version 12 implies must not be a rejected one', () => {
  const room = new TestRoom('12')
  const create = room.stateEvent('m.room.create').built.eventId
  const source = sourceOf(room, {
    authEvent: (id) => {
      const listed = room.events.get(id)?.listed
      return listed && { ...listed, rejected: id === create }
    },
  })
  assert.equal(judged(room, room.make(message).pdu, source), 'rejected auth-events room.other_create')
})

test('4: a restricted join must be signed by the server of the user who authorises it', () => {
  const room = new TestRoom('10')
  room.add({ type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'restricted' } })
  const join = (authoriser: string): Draft => ({
    type: 'm.room.member',
    stateKey: stranger,
    sender: stranger,
    content: { membership: 'join', join_authorised_via_users_server: authoriser },
  })
  const unsigned = room.make(join(creator)).pdu
  assert.equal(judged(room, unsigned), 'rejected auth-events join.authoriser_signature')
  const signed = room.make({ ...join(creator), alsoSignedBy: [serverA] }).pdu
  assert.equal(judged(room, signed), 'accepted')
  const nobody = room.make({ ...join('nobody'), alsoSignedBy: [serverA] }).pdu
  assert.equal(judged(room, nobody), 'rejected auth-events join.authoriser_signature')
  const elsewhere = room.make({ ...join(member), alsoSignedBy: [serverB] }).pdu
  assert.equal(judged(room, elsewhere), 'accepted', 'everybody may invite')
})

test('5: what the state before the event does not allow is rejected', () => {
  const room = new TestRoom('12')
  const { pdu } = room.make(message)
  room.add({ type: 'm.room.member', stateKey: member, content: { membership: 'ban' } })
  const { outcome, pauses } = judge(room, pdu, sourceOf(room, { stateBefore: room.lookup() }))
  assert.equal(told(outcome), 'rejected state-before sender_not_joined')
  assert.deepEqual(pauses, ['load-state'])
})

test('5: a second create event of a room is rejected', () => {
  const room = new TestRoom('11')
  const second = room.make({
    type: 'm.room.create',
    stateKey: '',
    sender: parseUserId('@other:a.org'),
    content: { room_version: '11' },
    prevEvents: [],
  })
  assert.equal(judged(room, second.pdu), 'rejected state-before room.other_create')
  const first = room.stateEvent('m.room.create')
  assert.equal(judged(room, first.pdu), 'accepted')
})

test('6: what only the current state does not allow is soft-failed, unless it belongs to the past', () => {
  const room = new TestRoom('12')
  const { pdu } = room.make(message)
  const before = room.lookup()
  room.add({ type: 'm.room.member', stateKey: member, content: { membership: 'ban' } })
  const source = sourceOf(room, { stateBefore: before, currentState: room.lookup() })
  assert.equal(judged(room, pdu, source), 'soft-failed current-state sender_not_joined')
  const past = run(receivePdu(room.rules, received(pdu), source, { isLive: false }))
  assert.equal(told(past.result), 'accepted')
  assert.deepEqual(
    past.pauses.map((pause) => pause.kind),
    ['load-state'],
  )
})

test('the entries of the state that are asked for are all that the rules look at', () => {
  const room = new TestRoom('12')
  const { pauses } = run(receivePdu(room.rules, received(room.make(message).pdu), sourceOf(room), live))
  const keys = [
    ['m.room.create', ''],
    ['m.room.power_levels', ''],
    ['m.room.member', member],
  ]
  assert.deepEqual(pauses, [
    { kind: 'load-state', of: 'before', keys },
    { kind: 'load-state', of: 'current', keys: [...keys, ['m.room.policy', '']] },
  ])
})

/** A room with a policy server, c.org, whose key for that is not its signing key. */
function roomWithPolicy(): { room: TestRoom; sign: (reference: string) => string } {
  const room = new TestRoom('11')
  const policyKey = keyOf(serverA)
  const content = { via: serverC, public_keys: { ed25519: policyKey.publicKey } }
  room.add({ type: 'm.room.policy', stateKey: '', content })
  return { room, sign: (reference) => signatureOf(reference, serverC, policyKey).signature }
}

test('7: an event without the signature of the policy server is soft-failed', () => {
  const { room, sign } = roomWithPolicy()
  const made = room.make(message)
  const unsigned = judge(room, made.pdu)
  assert.equal(told(unsigned.outcome), 'soft-failed policy-server policy_server')
  assert.deepEqual(unsigned.pauses, ['load-state', 'load-state', 'load-joined', 'ask-policy-server'])
  const recommended = { [serverC]: { [policyKeyId]: sign(made.built.reference) } }
  const signed = judge(room, { ...made.pdu, signatures: { ...made.pdu.signatures, ...recommended } })
  assert.equal(told(signed.outcome), 'accepted')
  assert.deepEqual(signed.pauses, ['load-state', 'load-state', 'load-joined'])
  const asked = sourceOf(room, { policySignature: () => sign(made.built.reference) })
  assert.equal(judged(room, made.pdu, asked), 'accepted')
  const wrong = sourceOf(room, { policySignature: () => sign('{}') })
  assert.equal(judged(room, made.pdu, wrong), 'soft-failed policy-server policy_server')
})

test('7: the room uses no policy server that has no user in it, and none judges its own appointment', () => {
  const { room } = roomWithPolicy()
  assert.equal(judged(room, room.make(message).pdu, sourceOf(room, { hasJoined: () => false })), 'accepted')
  const dismissal = room.make({ type: 'm.room.policy', stateKey: '' })
  assert.equal(judged(room, dismissal.pdu), 'accepted')
  const other = room.make({ type: 'm.room.policy', stateKey: 'x' })
  assert.equal(judged(room, other.pdu), 'soft-failed policy-server policy_server')
})
