import { createHash } from 'node:crypto'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { MatrixError } from '../errors.ts'
import { makeEventId, parseEventId, type EventId } from '../ids/event-id.ts'
import { parseRoomId } from '../ids/room-id.ts'
import { parseServerName } from '../ids/server-name.ts'
import { parseUserId } from '../ids/user-id.ts'
import { canonicalJson } from '../json/canonical.ts'
import type { JsonObject, JsonValue } from '../json/types.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { roomVersions } from '../versions/table.ts'
import { buildEvent, reviveBuiltEvent, type EventFields } from './build.ts'
import { clientEventJson, joinClientEvent } from './client-format.ts'
import {
  contentHash,
  createEventOfRoom,
  eventIdOf,
  hasValidContentHash,
  referenceHash,
  referenceJson,
  roomIdOfCreate,
} from './hash.ts'
import {
  authEventIds,
  checkFormat,
  nextDepth,
  prevEventIds,
  redactsOf,
  type FormatRule,
  type Pdu,
} from './pdu.ts'
import { redact } from './redact.ts'
import { stripEvent } from './strip.ts'

const alice = parseUserId('@alice:a.org')
const room = parseRoomId('!room:a.org')
const id = (letter: string): EventId => parseEventId(`$${letter.repeat(43)}`)

function rules(version: number): RoomVersionRules {
  const found = roomVersions.get(String(version))
  if (found === undefined) throw new Error(`no version ${version}`)
  return found
}

const message: EventFields = {
  type: 'm.room.message',
  sender: alice,
  roomId: room,
  content: { msgtype: 'm.text', body: 'hé "there"' },
  prevEvents: [id('p'), id('q')],
  authEvents: [id('a')],
  depth: 7,
  originServerTs: 1_764_000_000_000,
}

const member: EventFields = {
  ...message,
  type: 'm.room.member',
  stateKey: '@bob:b.org',
  content: {
    membership: 'invite',
    displayname: 'Bob',
    third_party_invite: { signed: { token: 't' }, display_name: 'x' },
  },
}

const create: EventFields = {
  ...message,
  type: 'm.room.create',
  stateKey: '',
  content: { 'm.federate': true, creator: alice },
  prevEvents: [],
  authEvents: [],
}

test('a built event is what the general functions say of it, in every version that can be built', () => {
  const redaction: EventFields = {
    ...message,
    type: 'm.room.redaction',
    content: { redacts: id('r'), reason: 'x' },
    redacts: id('r'),
  }
  for (let version = 3; version <= 12; version++) {
    for (const fields of [message, member, create, redaction]) {
      const isCreate12 = version === 12 && fields.type === 'm.room.create'
      const event = buildEvent(rules(version), isCreate12 ? { ...fields, roomId: undefined } : fields)
      const where = `${fields.type} in version ${version}`
      assert.equal(event.json, canonicalJson(event.pdu), where)
      assert.deepEqual(JSON.parse(event.json), event.pdu, where)
      assert.equal(event.pdu.hashes['sha256'], contentHash(rules(version), event.pdu), where)
      assert.equal(event.reference, referenceJson(rules(version), event.pdu), where)
      assert.equal(event.eventId, eventIdOf(rules(version), event.pdu), where)
      assert.equal(event.size, Buffer.byteLength(event.json), where)
      assert.deepEqual(
        { ...reviveBuiltEvent(rules(version), { ...event.pdu, signatures: {} }) },
        { ...event },
        where,
      )
      assert.equal(checkFormat(rules(version), { ...event.pdu, signatures: {} }).ok, true, where)
    }
  }
})

test('event ids are URL-safe from version 4 on', () => {
  const forms = Array.from({ length: 40 }, (_, i) => {
    const fields = { ...message, depth: i }
    return [buildEvent(rules(3), fields).eventId, buildEvent(rules(4), fields).eventId] as const
  })
  assert.ok(forms.some(([v3]) => /[+/]/.test(v3)))
  for (const [v3, v4] of forms) assert.equal(v3.replaceAll('+', '-').replaceAll('/', '_'), v4)
})

test('in version 12 the room id is the create event with another sigil', () => {
  const event = buildEvent(rules(12), { ...create, roomId: undefined })
  const roomId = roomIdOfCreate(event.eventId)
  assert.equal(roomId, `!${event.eventId.slice(1)}`)
  assert.equal(createEventOfRoom(roomId), event.eventId)
  assert.equal('room_id' in event.pdu, false)
  assert.throws(() => buildEvent(rules(12), create), /build\.room_id/)
  assert.throws(() => buildEvent(rules(11), { ...create, roomId: undefined }), /build\.room_id/)
})

test('an event leaves room for its signature within 65,536 bytes', () => {
  const ofSize = (bytes: number): EventFields => ({ ...message, content: { body: 'x'.repeat(bytes) } })
  const overhead = buildEvent(rules(12), ofSize(0)).size
  const reserve = 152 + 'a.org'.length
  const largest = 65_536 - reserve - overhead
  assert.equal(buildEvent(rules(12), ofSize(largest)).size, 65_536 - reserve)
  const signatures = { 'a.org': { [`ed25519:${'v'.repeat(32)}`]: 's'.repeat(86) } }
  const signed = canonicalJson({ ...buildEvent(rules(12), ofSize(largest)).pdu, signatures })
  assert.equal(signed.length, 65_536)
  assert.throws(
    () => buildEvent(rules(12), ofSize(largest + 1)),
    (e) => e instanceof MatrixError && e.errcode === 'M_TOO_LARGE',
  )
})

test('type and state key are limited in bytes', () => {
  const tooLarge = (fields: EventFields): void => {
    assert.throws(
      () => buildEvent(rules(12), fields),
      (e) => e instanceof MatrixError && e.status === 413,
    )
  }
  assert.doesNotThrow(() =>
    buildEvent(rules(12), { ...message, type: 'x'.repeat(255), stateKey: 'é'.repeat(127) }),
  )
  tooLarge({ ...message, type: 'x'.repeat(256) })
  tooLarge({ ...message, stateKey: 'é'.repeat(128) })
})

test('events of versions 1 and 2 are not built without an id and the hashes that they refer by', () => {
  for (const version of [1, 2]) {
    assert.throws(
      () => buildEvent(rules(version), message),
      (e) => e instanceof MatrixError && e.errcode === 'M_UNSUPPORTED_ROOM_VERSION',
    )
  }
  const explicitId = { eventId: makeEventId('x', parseServerName('a.org')), referenceHashes: new Map() }
  assert.throws(() => buildEvent(rules(1), { ...message, explicitId }), /build\.reference_hash/)
})

test('a built event of versions 1 and 2 bears its id and the hashes of the events that it refers to', () => {
  for (const version of [1, 2]) {
    const ours = parseServerName('a.org')
    const first = buildEvent(rules(version), {
      ...create,
      explicitId: { eventId: makeEventId('one', ours), referenceHashes: new Map() },
    })
    const referenceHashes = new Map([[first.eventId, referenceHash(rules(version), first.pdu)]])
    const fields = { ...member, prevEvents: [first.eventId], authEvents: [first.eventId] }
    const eventId = makeEventId('two', ours)
    const event = buildEvent(rules(version), { ...fields, explicitId: { eventId, referenceHashes } })
    assert.equal(event.eventId, '$two:a.org')
    assert.equal(event.json, canonicalJson(event.pdu))
    assert.deepEqual(prevEventIds(rules(version), event.pdu), [first.eventId])
    assert.deepEqual(event.pdu.auth_events, [
      [first.eventId, { sha256: createHash('sha256').update(first.reference).digest('base64').slice(0, 43) }],
    ])
    assert.equal(hasValidContentHash(rules(version), event.pdu), true)
    assert.equal(event.reference, referenceJson(rules(version), event.pdu))
    assert.equal(checkFormat(rules(version), { ...event.pdu, signatures: {} }).ok, true)
    assert.deepEqual({ ...reviveBuiltEvent(rules(version), event.pdu) }, { ...event })
  }
})

function receivedFrom(version: number): JsonObject {
  return { ...buildEvent(rules(version), { ...member, roomId: room }).pdu, signatures: { 'a.org': {} } }
}

const badFields: readonly (readonly [FormatRule, JsonObject])[] = [
  ['type', { type: 1 }],
  ['type', { type: 'x'.repeat(256) }],
  ['state_key', { state_key: null }],
  ['state_key', { state_key: 'é'.repeat(128) }],
  ['sender', { sender: 'alice' }],
  ['room_id', { room_id: 'x' }],
  ['content', { content: [] }],
  ['prev_events', { prev_events: Array.from({ length: 21 }, () => id('x')) }],
  ['prev_events', { prev_events: [['$a:b', {}]] }],
  ['auth_events', { auth_events: Array.from({ length: 11 }, () => id('x')) }],
  ['auth_events', { auth_events: {} }],
  ['depth', { depth: -1 }],
  ['depth', { depth: 1.5 }],
  ['depth', { depth: '5' }],
  ['depth', { depth: null }],
  ['depth', { depth: 2 ** 53 }],
  ['origin_server_ts', { origin_server_ts: '1' }],
  ['hashes', { hashes: {} }],
  ['signatures', { signatures: [] }],
  ['unsigned', { unsigned: 1 }],
  ['not_canonical_json', { content: { n: 1.1 } }],
  ['not_canonical_json', { content: { n: 2 ** 53 } }],
  ['not_canonical_json', { content: { n: '\ud800' } }],
  ['too_large', { content: { n: 'x'.repeat(65_536) } }],
]

test('an event of bad form is told by the field at fault', () => {
  assert.deepEqual(checkFormat(rules(12), []).ok, false)
  assert.equal(checkFormat(rules(11), receivedFrom(11)).ok, true)
  assert.equal(checkFormat(rules(11), { ...receivedFrom(11), depth: Number.MAX_SAFE_INTEGER }).ok, true)
  for (const [rule, change] of badFields) {
    const verdict = checkFormat(rules(11), { ...receivedFrom(11), ...change })
    assert.equal(verdict.ok ? 'ok' : verdict.rule, rule, JSON.stringify(change).slice(0, 100))
  }
  for (const missing of [
    'type',
    'sender',
    'room_id',
    'content',
    'prev_events',
    'auth_events',
    'depth',
    'origin_server_ts',
    'hashes',
    'signatures',
  ]) {
    const rest = Object.fromEntries(Object.entries(receivedFrom(11)).filter(([key]) => key !== missing))
    const verdict = checkFormat(rules(11), rest)
    assert.equal(verdict.ok ? 'ok' : verdict.rule, missing)
  }
})

test('what the older versions allow is accepted in them', () => {
  const changes: readonly (readonly [JsonObject, number, number])[] = [
    [{ content: { level: 50.5 } }, 5, 6],
    [{ depth: 2 ** 60 }, 5, 6],
    [{ state_key: 'é'.repeat(255) }, 10, 11],
  ]
  for (const [change, accepts, refuses] of changes) {
    assert.equal(
      checkFormat(rules(accepts), { ...receivedFrom(accepts), ...change }).ok,
      true,
      JSON.stringify(change),
    )
    assert.equal(
      checkFormat(rules(refuses), { ...receivedFrom(refuses), ...change }).ok,
      false,
      JSON.stringify(change),
    )
  }
})

test('an event nested 30,000 deep has a form and an id', () => {
  const deep = JSON.parse(`{"x":${'['.repeat(30_000)}${']'.repeat(30_000)}}`) as JsonObject
  const verdict = checkFormat(rules(11), { ...receivedFrom(11), content: deep })
  assert.equal(verdict.ok, true)
  if (verdict.ok) assert.equal(contentHash(rules(11), verdict.pdu).length, 43)
})

test('versions 1 and 2 refer to events by pairs and carry their own id', () => {
  const ref = ['$1:b.org', { sha256: 'x' }]
  const pdu = { ...receivedFrom(11), event_id: '$2:a.org', prev_events: [ref], auth_events: [ref, ref] }
  const verdict = checkFormat(rules(1), pdu)
  assert.ok(verdict.ok)
  assert.deepEqual(prevEventIds(rules(1), verdict.pdu), ['$1:b.org'])
  assert.deepEqual(authEventIds(rules(1), verdict.pdu), ['$1:b.org', '$1:b.org'])
  assert.equal(eventIdOf(rules(1), verdict.pdu), '$2:a.org')
  const withoutId = checkFormat(rules(1), { ...pdu, event_id: 'x' })
  assert.equal(withoutId.ok ? 'ok' : withoutId.rule, 'event_id')
})

test('only the create event of version 12 may lack the room id', () => {
  const event = buildEvent(rules(12), { ...create, roomId: undefined })
  const pdu: JsonObject = { ...event.pdu, signatures: {} }
  assert.equal(checkFormat(rules(12), pdu).ok, true)
  assert.equal(checkFormat(rules(12), { ...pdu, type: 'm.room.name' }).ok, false)
  assert.equal(checkFormat(rules(11), pdu).ok, false)
})

// Every key that some version keeps, so that the table below says what each version drops.
const full: JsonObject = {
  event_id: '$1:a',
  type: 'x',
  room_id: '!r:a',
  sender: '@a:a',
  state_key: '',
  content: {},
  hashes: {},
  signatures: {},
  depth: 1,
  prev_events: [],
  auth_events: [],
  origin_server_ts: 1,
  prev_state: [],
  origin: 'a',
  membership: 'join',
  redacts: '$x',
  unsigned: {},
  other: 1,
}
const contents: readonly (readonly [
  type: string,
  content: JsonObject,
  left: Readonly<Record<number, JsonValue>>,
])[] = [
  ['m.room.message', { body: 'x' }, { 1: {} }],
  [
    'm.room.member',
    {
      membership: 'join',
      join_authorised_via_users_server: '@a:a',
      third_party_invite: { signed: 1, x: 2 },
      x: 1,
    },
    {
      1: { membership: 'join' },
      9: { membership: 'join', join_authorised_via_users_server: '@a:a' },
      11: { membership: 'join', join_authorised_via_users_server: '@a:a', third_party_invite: { signed: 1 } },
    },
  ],
  ['m.room.create', { creator: '@a:a', x: 1 }, { 1: { creator: '@a:a' }, 11: { creator: '@a:a', x: 1 } }],
  [
    'm.room.join_rules',
    { join_rule: 'x', allow: [], x: 1 },
    { 1: { join_rule: 'x' }, 8: { join_rule: 'x', allow: [] } },
  ],
  [
    'm.room.power_levels',
    {
      ban: 1,
      events: {},
      events_default: 1,
      invite: 1,
      kick: 1,
      redact: 1,
      state_default: 1,
      users: {},
      users_default: 1,
      notifications: {},
    },
    {
      1: {
        ban: 1,
        events: {},
        events_default: 1,
        kick: 1,
        redact: 1,
        state_default: 1,
        users: {},
        users_default: 1,
      },
      11: {
        ban: 1,
        events: {},
        events_default: 1,
        invite: 1,
        kick: 1,
        redact: 1,
        state_default: 1,
        users: {},
        users_default: 1,
      },
    },
  ],
  ['m.room.aliases', { aliases: [], x: 1 }, { 1: { aliases: [] }, 6: {} }],
  ['m.room.history_visibility', { history_visibility: 'x', x: 1 }, { 1: { history_visibility: 'x' } }],
  ['m.room.redaction', { redacts: '$x', reason: 'x' }, { 1: {}, 11: { redacts: '$x' } }],
]

test('redaction keeps in each version what its page lists', () => {
  for (let version = 1; version <= 12; version++) {
    const dropped =
      version < 11
        ? ['redacts', 'unsigned', 'other']
        : ['redacts', 'unsigned', 'other', 'prev_state', 'origin', 'membership']
    for (const [type, content, left] of contents) {
      const since = Object.keys(left)
        .map(Number)
        .filter((first) => first <= version)
        .at(-1)
      const redacted = redact(rules(version), { ...full, type, content } as unknown as Pdu)
      assert.deepEqual(redacted.content, left[since ?? 1], `${type} in version ${version}`)
      assert.deepEqual(
        Object.keys(redacted).toSorted(),
        Object.keys(full)
          .filter((key) => !dropped.includes(key))
          .toSorted(),
      )
    }
  }
})

test('a redacted event keeps its id and loses its content hash', () => {
  const event = buildEvent(rules(12), { ...message, roomId: parseRoomId(`!${'r'.repeat(43)}`) })
  const redacted = redact(rules(12), event.pdu)
  assert.equal(eventIdOf(rules(12), redacted), event.eventId)
  assert.equal(hasValidContentHash(rules(12), event.pdu), true)
  assert.equal(hasValidContentHash(rules(12), redacted), false)
})

test('the content hash of the specification is found', () => {
  // Appendices v1.19, "Event Signing".
  const pdu = {
    room_id: '!x:domain',
    sender: '@a:domain',
    origin: 'domain',
    origin_server_ts: 1000000,
    signatures: {},
    hashes: {},
    type: 'X',
    content: {},
    prev_events: [],
    auth_events: [],
    depth: 3,
    unsigned: { age_ts: 1000000 },
  }
  assert.equal(contentHash(rules(1), pdu as unknown as Pdu), '5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos')
})

test('clients see the target of a redaction in both places, whatever the version', () => {
  const ids = { eventId: id('e'), roomId: room }
  const old = buildEvent(rules(10), {
    ...message,
    type: 'm.room.redaction',
    content: { reason: 'x' },
    redacts: id('r'),
  })
  const recent = buildEvent(rules(11), {
    ...message,
    type: 'm.room.redaction',
    content: { reason: 'x', redacts: id('r') },
  })
  for (const [version, event] of [
    [10, old],
    [11, recent],
  ] as const) {
    assert.equal(redactsOf(rules(version), event.pdu), id('r'))
    const client = JSON.parse(
      joinClientEvent(clientEventJson(rules(version), event.pdu, ids), { withRoomId: false }),
    ) as JsonObject
    assert.equal(client['redacts'], id('r'))
    assert.deepEqual(client['content'], { reason: 'x', redacts: id('r') })
  }
})

test('the client form has the fields of the specification and no others', () => {
  const event = buildEvent(rules(12), { ...member, roomId: room })
  const text = clientEventJson(rules(12), event.pdu, { eventId: event.eventId, roomId: room })
  const whole = {
    content: member.content,
    event_id: event.eventId,
    origin_server_ts: member.originServerTs,
    sender: alice,
    state_key: '@bob:b.org',
    type: 'm.room.member',
  }
  assert.deepEqual(JSON.parse(joinClientEvent(text, { withRoomId: false })), whole)
  assert.deepEqual(JSON.parse(joinClientEvent(text, { withRoomId: true, unsigned: '{"age":1}' })), {
    ...whole,
    room_id: room,
    unsigned: { age: 1 },
  })
})

test('depth grows by one and stops at the greatest integer', () => {
  assert.equal(nextDepth([]), 1)
  assert.equal(nextDepth([3, 9, 4]), 10)
  assert.equal(nextDepth([Number.MAX_SAFE_INTEGER]), Number.MAX_SAFE_INTEGER)
})

test('a stripped event has four fields', () => {
  const event = { type: 't', state_key: '', sender: alice, content: {}, event_id: 'x' }
  assert.deepEqual(stripEvent(event), { type: 't', state_key: '', sender: alice, content: {} })
})
