import { test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { parseServerName } from '../ids/server-name.ts'
import type { JsonObject, JsonValue } from '../json/types.ts'
import type { EduRoute } from './edu-route.ts'
import { readEdu, type Edu } from './edu.ts'

const route: EduRoute = { origin: parseServerName('b.org'), destination: parseServerName('a.org') }
const user = '@user:b.org'
/** Users who are not the sender's, or whose ids are not passed on, or no users. */
const notOurs = ['@user:a.org', '@user:c.org', '@user:b.org:1', '@a b:b.org', '@:b.org', 'user', '', 1, null]

function read(type: string, content: JsonObject): Edu | undefined {
  return readEdu({ edu_type: type, content }, route)
}

/** Each changed content must not be read. */
function refuses(type: string, good: JsonObject, changes: readonly JsonObject[]): void {
  assert.notEqual(read(type, good), undefined)
  for (const change of changes) {
    assert.equal(read(type, { ...good, ...change }), undefined, JSON.stringify(change))
  }
}

function without(object: JsonObject, key: string): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key))
}

test('what is no ephemeral message of a known kind is ignored', () => {
  const typing = { room_id: '!r:b.org', user_id: user, typing: true }
  for (const value of [
    1,
    null,
    [],
    {},
    { edu_type: 'm.typing' },
    { edu_type: 'm.typing', content: [] },
    { edu_type: 'm.unknown', content: typing },
    { edu_type: 'constructor', content: typing },
    { edu_type: 1, content: typing },
    { content: typing },
  ]) {
    assert.equal(readEdu(value, route), undefined, JSON.stringify(value))
  }
})

test('typing of a user of the sending server is read', () => {
  const good = { room_id: '!r:c.org', user_id: user, typing: true }
  assert.deepEqual(read('m.typing', good), {
    kind: 'typing',
    roomId: '!r:c.org',
    userId: user,
    isTyping: true,
  })
  refuses('m.typing', good, [
    ...notOurs.map((user_id) => ({ user_id })),
    { room_id: 'r' },
    { room_id: 1 },
    { typing: 1 },
  ])
  for (const key of Object.keys(good)) assert.equal(read('m.typing', without(good, key)), undefined)
})

test('of presence those entries are read that are of users of the sending server', () => {
  const good = { user_id: user, presence: 'online', last_active_ago: 5 }
  const update = {
    userId: user,
    presence: 'online',
    statusMessage: undefined,
    lastActiveAgo: 5,
    isCurrentlyActive: false,
  }
  const push = [
    good,
    ...notOurs.map((user_id) => ({ ...good, user_id })),
    { ...good, presence: 'busy' },
    { user_id: user },
    1,
    { ...good, status_msg: 'x', currently_active: true, last_active_ago: -1 },
  ]
  assert.deepEqual(read('m.presence', { push }), {
    kind: 'presence',
    updates: [update, { ...update, statusMessage: 'x', lastActiveAgo: undefined, isCurrentlyActive: true }],
  })
  refuses('m.presence', { push: [] }, [{ push: {} }, { push: null }])
})

test('of receipts those are read that are of users of the sending server', () => {
  const good = { event_ids: ['$e'], data: { ts: 5 } }
  const receipt = { roomId: '!r:c.org', userId: user, eventId: '$e', ts: 5, threadId: undefined }
  const readers = (entries: JsonObject): JsonValue[] => {
    const edu = read('m.receipt', { '!r:c.org': { 'm.read': entries, 'm.read.private': entries } })
    assert.ok(edu?.kind === 'receipts')
    return edu.receipts.map((one): JsonValue => JSON.parse(JSON.stringify(one)))
  }
  const plain = JSON.parse(JSON.stringify(receipt)) as JsonObject
  assert.deepEqual(readers({ [user]: good }), [plain])
  assert.deepEqual(readers({ [user]: { ...good, data: { ts: 5, thread_id: 'main' } } }), [
    { ...plain, threadId: 'main' },
  ])
  assert.deepEqual(readers({ [user]: { ...good, data: { ts: 5, thread_id: '$t' } } }), [
    { ...plain, threadId: '$t' },
  ])
  for (const bad of [
    1,
    {},
    { ...good, event_ids: [] },
    { ...good, event_ids: ['$e', '$f'] },
    { ...good, event_ids: ['e'] },
    { ...good, event_ids: '$e' },
    { ...good, data: {} },
    { ...good, data: { ts: '5' } },
    { ...good, data: { ts: 1.5 } },
    { ...good, data: { ts: 5, thread_id: 't' } },
    { ...good, data: { ts: 5, thread_id: 1 } },
  ]) {
    assert.deepEqual(readers({ [user]: bad }), [], JSON.stringify(bad))
  }
  for (const other of notOurs) assert.deepEqual(readers({ [String(other)]: good }), [])
  assert.deepEqual(read('m.receipt', { r: { 'm.read': { [user]: good } }, '!x:c.org': 1 }), {
    kind: 'receipts',
    receipts: [],
  })
})

test('an update of a device list is read if it is of a user of the sending server', () => {
  const good = {
    user_id: user,
    device_id: 'D',
    stream_id: 6,
    prev_id: [5],
    device_display_name: 'Mobile',
    keys: { user_id: user, device_id: 'D', keys: {} },
  }
  assert.deepEqual(read('m.device_list_update', good), {
    kind: 'device-list-update',
    userId: user,
    deviceId: 'D',
    streamId: 6,
    previousIds: [5],
    isDeleted: false,
    displayName: 'Mobile',
    keys: good.keys,
  })
  assert.deepEqual(
    read('m.device_list_update', { user_id: user, device_id: 'D', stream_id: 1, deleted: true }),
    {
      kind: 'device-list-update',
      userId: user,
      deviceId: 'D',
      streamId: 1,
      previousIds: [],
      isDeleted: true,
      displayName: undefined,
      keys: undefined,
    },
  )
  refuses('m.device_list_update', good, [
    ...notOurs.map((user_id) => ({ user_id })),
    { device_id: '' },
    { device_id: 1 },
    { stream_id: '6' },
    { stream_id: 1.5 },
    { prev_id: 5 },
    { prev_id: ['5'] },
    { keys: { ...good.keys, device_id: 'E' } },
    { keys: { ...good.keys, user_id: '@other:b.org' } },
  ])
})

test('new cross-signing keys are read if they are those of a user of the sending server', () => {
  const master = { user_id: user, usage: ['master'], keys: { 'ed25519:x': 'x' } }
  const selfSigning = { user_id: user, usage: ['self_signing'], keys: { 'ed25519:y': 'y' } }
  const good = { user_id: user, master_key: master, self_signing_key: selfSigning }
  assert.deepEqual(read('m.signing_key_update', good), {
    kind: 'signing-key-update',
    userId: user,
    masterKey: master,
    selfSigningKey: selfSigning,
  })
  const onlyMaster = { user_id: user, master_key: master }
  refuses('m.signing_key_update', onlyMaster, [
    ...notOurs.map((user_id) => ({ user_id })),
    { master_key: selfSigning },
    { master_key: { ...master, user_id: '@other:b.org' } },
    { master_key: { ...master, keys: {} } },
    { master_key: { ...master, keys: { a: 'a', b: 'b' } } },
    { master_key: { ...master, usage: 'master' } },
    { master_key: 'x' },
  ])
})

test('messages to devices are read if they are from a user of the sending server to users of this one', () => {
  const good = {
    sender: user,
    type: 'm.room_key_request',
    message_id: 'x',
    messages: {
      '@u:a.org': { D: { a: 1 }, '*': { b: 2 }, E: 'x', '': {} },
      '@v:c.org': { D: {} },
      v: { D: {} },
      '@w:a.org': 1,
    },
  }
  assert.deepEqual(read('m.direct_to_device', good), {
    kind: 'direct-to-device',
    sender: user,
    type: 'm.room_key_request',
    messageId: 'x',
    messages: [
      { userId: '@u:a.org', deviceId: 'D', content: { a: 1 } },
      { userId: '@u:a.org', deviceId: '*', content: { b: 2 } },
    ],
  })
  refuses('m.direct_to_device', good, [
    ...notOurs.map((sender) => ({ sender })),
    { type: '' },
    { type: 1 },
    { message_id: '' },
    { message_id: 'x'.repeat(256) },
    { messages: [] },
  ])
})

test('no JSON whatever makes a reader throw, or be of another server', () => {
  const types = [
    'm.typing',
    'm.presence',
    'm.receipt',
    'm.device_list_update',
    'm.signing_key_update',
    'm.direct_to_device',
  ]
  const keys = fc.constantFrom(
    'user_id',
    'sender',
    'room_id',
    'push',
    'keys',
    'messages',
    '!r:b.org',
    'm.read',
    user,
    'data',
  )
  const content = fc.dictionary(
    keys,
    fc.oneof(fc.jsonValue(), fc.constant(user), fc.dictionary(keys, fc.jsonValue())),
  )
  fc.assert(
    fc.property(fc.constantFrom(...types), content, (edu_type, body) => {
      const edu = readEdu(JSON.parse(JSON.stringify({ edu_type, content: body })) as JsonObject, route)
      if (edu !== undefined && 'userId' in edu) assert.match(edu.userId, /:b\.org$/)
    }),
    { numRuns: 300 },
  )
})
