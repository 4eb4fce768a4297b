/** End-to-end encryption through the real gateway, actors and Postgres: keys, cross-signing, messages to devices, backups. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { field, objectField, type JsonObject, type JsonValue } from '#protocol/json/types.ts'
import { Person, textOf } from '../support/account-people.ts'
import { startAccountServer, type AccountServer } from '../support/account-server.ts'
import { deviceKeys, makeIdentity, makeKey, signedBy } from '../support/e2ee-keys.ts'

let server: AccountServer

before(async () => {
  server = await startAccountServer()
})

after(() => server[Symbol.asyncDispose]())

function at(value: JsonValue | undefined, ...path: string[]): JsonValue | undefined {
  return path.reduce<JsonValue | undefined>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null && !Array.isArray(inner)
        ? field(inner as JsonObject, key)
        : undefined,
    value,
  )
}

function oneTimeKeys(count: number, from = 0): JsonObject {
  return Object.fromEntries(
    Array.from({ length: count }, (_, n) => [`signed_curve25519:K${n + from}`, { key: `key${n + from}` }]),
  )
}

async function claim(who: Person, of: Person): Promise<JsonObject> {
  const body = { one_time_keys: { [of.userId]: { [of.deviceId]: 'signed_curve25519' } } }
  const reply = await who.must('POST', '/keys/claim', body)
  return (at(reply, 'one_time_keys', of.userId, of.deviceId) ?? {}) as JsonObject
}

test('one-time keys are claimed oldest first and once each, then the fallback key again and again', async () => {
  const alice = await Person.register(server)
  const bob = await Person.register(server)
  const upload = { one_time_keys: { 'signed_curve25519:Z': { key: 'z' } } }
  await alice.must('POST', '/keys/upload', upload)
  const reply = await alice.must('POST', '/keys/upload', {
    one_time_keys: oneTimeKeys(9),
    fallback_keys: { 'signed_curve25519:F': { key: 'f', fallback: true } },
  })
  assert.deepEqual(reply, { one_time_key_counts: { signed_curve25519: 10 } })
  assert.deepEqual(await claim(bob, alice), { 'signed_curve25519:Z': { key: 'z' } })
  const own = server.ownStates.get(alice.userId)
  assert.deepEqual(await own?.keyCounts(alice.deviceId), {
    counts: { signed_curve25519: 9 },
    unusedFallback: ['signed_curve25519'],
  })
  const claimed = await Promise.all(Array.from({ length: 14 }, () => claim(bob, alice)))
  const ids = claimed.flatMap((keys) => Object.keys(keys))
  assert.equal(ids.filter((id) => id === 'signed_curve25519:F').length, 5)
  assert.equal(new Set(ids).size, 10)
  assert.deepEqual(await own?.keyCounts(alice.deviceId), {
    counts: { signed_curve25519: 0 },
    unusedFallback: [],
  })
})

test('an upload that is repeated does not bring back a key that was given out meanwhile, also by another host', async () => {
  const alice = await Person.register(server)
  const bob = await Person.register(server)
  const upload = { one_time_keys: oneTimeKeys(2) }
  await alice.must('POST', '/keys/upload', upload)
  assert.deepEqual(await claim(bob, alice), { 'signed_curve25519:K0': { key: 'key0' } })
  server = await server.restart()
  const [anew, bobAnew] = [alice.on(server), bob.on(server)]
  const counts = await anew.must('POST', '/keys/upload', upload)
  assert.deepEqual(counts, { one_time_key_counts: { signed_curve25519: 1 } })
  assert.deepEqual(await claim(bobAnew, anew), { 'signed_curve25519:K1': { key: 'key1' } })
  assert.deepEqual(await claim(bobAnew, anew), {})
  // Whoever begins anew counts from the beginning, and his keys are others.
  await anew.must('POST', '/keys/upload', {
    one_time_keys: { 'signed_curve25519:K0': { key: 'of a new account' } },
  })
  assert.deepEqual(await claim(bobAnew, anew), { 'signed_curve25519:K0': { key: 'of a new account' } })
})

test('the same one-time key again is fine, another one with its id is refused and changes nothing', async () => {
  const alice = await Person.register(server)
  await alice.must('POST', '/keys/upload', { one_time_keys: oneTimeKeys(2) })
  const again = await alice.must('POST', '/keys/upload', { one_time_keys: oneTimeKeys(2) })
  assert.deepEqual(again, { one_time_key_counts: { signed_curve25519: 2 } })
  const other = await alice.call('POST', '/keys/upload', {
    one_time_keys: { 'signed_curve25519:K0': { key: 'other' }, 'signed_curve25519:K7': { key: 'new' } },
  })
  assert.equal(other.status, 400)
  assert.deepEqual(await alice.must('POST', '/keys/upload', {}), {
    one_time_key_counts: { signed_curve25519: 2 },
  })
})

test('device keys must be whole and those of the device that uploads them', async () => {
  const alice = await Person.register(server)
  const good = deviceKeys(alice.userId, alice.deviceId, makeKey())
  const { algorithms: _algorithms, ...partial } = good
  for (const bad of [
    partial,
    { ...good, device_id: 'OTHER' },
    { ...good, user_id: '@other:test.local' },
    { ...good, keys: { a: 1 } },
    { ...good, extra: 'x'.repeat(70_000) },
    null,
  ]) {
    const reply = await alice.call('POST', '/keys/upload', { device_keys: bad })
    assert.equal(reply.status, 400, JSON.stringify(reply.body))
  }
  await alice.must('POST', '/keys/upload', { device_keys: good })
  const query = await alice.must('POST', '/keys/query', { device_keys: { [alice.userId]: [] } })
  assert.deepEqual(at(query, 'device_keys', alice.userId, alice.deviceId), good)
  const gone = await alice.must('POST', '/keys/query', { device_keys: { [alice.userId]: ['none'] } })
  assert.deepEqual(at(gone, 'device_keys', alice.userId), {})
})

test('an upload with one bad part changes nothing of the others', async () => {
  const alice = await Person.register(server)
  const keys = deviceKeys(alice.userId, alice.deviceId, makeKey())
  for (const bad of [{ fallback_keys: { nocolon: {} } }, { one_time_keys: { 'signed_curve25519:A': 1 } }]) {
    const reply = await alice.call('POST', '/keys/upload', {
      device_keys: keys,
      one_time_keys: oneTimeKeys(1),
      fallback_keys: { 'signed_curve25519:F': { key: 'f' } },
      ...bad,
    })
    assert.deepEqual([reply.status, reply.body['errcode']], [400, 'M_BAD_JSON'])
  }
  assert.deepEqual(await alice.must('POST', '/keys/upload', {}), {
    one_time_key_counts: { signed_curve25519: 0 },
  })
  const query = { device_keys: { [alice.userId]: [] } }
  assert.deepEqual(at(await alice.must('POST', '/keys/query', query), 'device_keys', alice.userId), {})
  await alice.must('POST', '/keys/upload', { device_keys: keys })
  assert.deepEqual(
    at(await alice.must('POST', '/keys/query', query), 'device_keys', alice.userId, alice.deviceId),
    keys,
  )
})

test('an identity is uploaded freely the first time and by password when it is replaced', async () => {
  const alice = await Person.register(server)
  const path = '/keys/device_signing/upload'
  const first = makeIdentity(alice.userId)
  const foreign = makeIdentity(alice.userId)
  const unsigned = { ...first.upload, self_signing_key: foreign.upload['self_signing_key'] ?? null }
  assert.equal((await alice.call('POST', path, unsigned)).body['errcode'], 'M_INVALID_SIGNATURE')
  await alice.must('POST', path, first.upload)
  await alice.must('POST', path, first.upload)
  const second = makeIdentity(alice.userId)
  assert.equal((await alice.call('POST', path, second.upload)).status, 401)
  await alice.must('POST', path, { ...second.upload, auth: alice.auth })
  const query = await alice.must('POST', '/keys/query', { device_keys: { [alice.userId]: [] } })
  assert.deepEqual(at(query, 'master_keys', alice.userId), second.upload['master_key'])
  assert.deepEqual(at(query, 'user_signing_keys', alice.userId), second.upload['user_signing_key'])
})

test('signatures are stored when they are right, and seen by whom they concern', async () => {
  const alice = await Person.register(server)
  const bob = await Person.register(server)
  const keys = { alice: makeKey(), bob: makeKey() }
  const aliceDevice = deviceKeys(alice.userId, alice.deviceId, keys.alice)
  await alice.must('POST', '/keys/upload', { device_keys: aliceDevice })
  const identity = { alice: makeIdentity(alice.userId), bob: makeIdentity(bob.userId) }
  await alice.must('POST', '/keys/device_signing/upload', identity.alice.upload)
  await bob.must('POST', '/keys/device_signing/upload', identity.bob.upload)
  const selfSigner = {
    userId: alice.userId,
    keyId: `ed25519:${identity.alice.selfSigning.publicKey}`,
    key: identity.alice.selfSigning,
  }
  const userSigner = {
    userId: alice.userId,
    keyId: `ed25519:${identity.alice.userSigning.publicKey}`,
    key: identity.alice.userSigning,
  }
  const deviceSigner = { userId: alice.userId, keyId: `ed25519:${alice.deviceId}`, key: keys.alice }
  const ownMaster = objectField(identity.alice.upload, 'master_key') ?? {}
  const bobMaster = objectField(identity.bob.upload, 'master_key') ?? {}
  const reply = await alice.must('POST', '/keys/signatures/upload', {
    [alice.userId]: {
      [alice.deviceId]: signedBy(aliceDevice, selfSigner),
      [identity.alice.master.publicKey]: signedBy(ownMaster, deviceSigner),
    },
    [bob.userId]: { [identity.bob.master.publicKey]: signedBy(bobMaster, userSigner) },
  })
  assert.deepEqual(reply, { failures: {} })
  const query = { device_keys: { [alice.userId]: [], [bob.userId]: [] } }
  const seen = await alice.must('POST', '/keys/query', query)
  assert.ok(
    at(seen, 'device_keys', alice.userId, alice.deviceId, 'signatures', alice.userId, selfSigner.keyId),
  )
  assert.ok(at(seen, 'master_keys', alice.userId, 'signatures', alice.userId, deviceSigner.keyId))
  assert.ok(at(seen, 'master_keys', bob.userId, 'signatures', alice.userId, userSigner.keyId))
  const byBob = await bob.must('POST', '/keys/query', query)
  assert.ok(
    at(byBob, 'device_keys', alice.userId, alice.deviceId, 'signatures', alice.userId, selfSigner.keyId),
  )
  assert.equal(at(byBob, 'master_keys', bob.userId, 'signatures', alice.userId), undefined)
  assert.equal(at(byBob, 'user_signing_keys', alice.userId), undefined)

  await alice.must('POST', '/keys/device_signing/upload', {
    ...makeIdentity(alice.userId).upload,
    auth: alice.auth,
  })
  const after = await bob.must('POST', '/keys/query', query)
  assert.deepEqual(at(after, 'device_keys', alice.userId, alice.deviceId), aliceDevice)
})

test('a signature that is wrong, foreign or on an unknown key fails by itself and is not stored', async () => {
  const alice = await Person.register(server)
  const key = makeKey()
  const device = deviceKeys(alice.userId, alice.deviceId, key)
  await alice.must('POST', '/keys/upload', { device_keys: device })
  const identity = makeIdentity(alice.userId)
  await alice.must('POST', '/keys/device_signing/upload', identity.upload)
  const signer = {
    userId: alice.userId,
    keyId: `ed25519:${identity.selfSigning.publicKey}`,
    key: identity.selfSigning,
  }
  const stranger = makeKey()
  const bad: JsonValue[] = [
    signedBy(device, { ...signer, key: stranger }),
    signedBy({ ...device, algorithms: ['changed'] }, signer),
    signedBy(device, { ...signer, keyId: `ed25519:${stranger.publicKey}`, key: stranger }),
    'no object',
  ]
  for (const object of bad) {
    const { failures } = await alice.must('POST', '/keys/signatures/upload', {
      [alice.userId]: { [alice.deviceId]: object },
    })
    assert.equal(typeof at(failures, alice.userId, alice.deviceId, 'errcode'), 'string')
  }
  const unknown = await alice.must('POST', '/keys/signatures/upload', {
    [alice.userId]: { NONE: signedBy(device, signer) },
    '@nobody:test.local': { x: {} },
  })
  assert.equal(at(unknown, 'failures', alice.userId, 'NONE', 'errcode'), 'M_NOT_FOUND')
  assert.equal(at(unknown, 'failures', '@nobody:test.local', 'x', 'errcode'), 'M_NOT_FOUND')
  const query = await alice.must('POST', '/keys/query', { device_keys: { [alice.userId]: [] } })
  assert.deepEqual(at(query, 'device_keys', alice.userId, alice.deviceId), device)
})

test('a device that is deleted takes its keys and what was signed of it along', async () => {
  const alice = await Person.register(server)
  const phone = await alice.secondDevice()
  const keys = deviceKeys(alice.userId, phone.deviceId, makeKey())
  await phone.must('POST', '/keys/upload', { device_keys: keys, one_time_keys: oneTimeKeys(3) })
  const identity = makeIdentity(alice.userId)
  await alice.must('POST', '/keys/device_signing/upload', identity.upload)
  const signer = {
    userId: alice.userId,
    keyId: `ed25519:${identity.selfSigning.publicKey}`,
    key: identity.selfSigning,
  }
  await alice.must('POST', '/keys/signatures/upload', {
    [alice.userId]: { [phone.deviceId]: signedBy(keys, signer) },
  })
  await phone.must('POST', '/logout')
  const query = await alice.must('POST', '/keys/query', { device_keys: { [alice.userId]: [] } })
  assert.deepEqual(at(query, 'device_keys', alice.userId), {})
  const rows = await server.database.reads.sql`
    select 1 from key_signature where target_user = ${alice.userId} and target_key = ${phone.deviceId}
    union all select 1 from one_time_key where user_id = ${alice.userId}`
  assert.equal(rows.length, 0)
})

test('a message to devices arrives once for a transaction id, at present devices, and stays until it is acknowledged', async () => {
  const alice = await Person.register(server)
  const bob = await Person.register(server)
  const phone = await bob.secondDevice()
  const path = '/sendToDevice/org.example.type/txn1'
  const body = {
    messages: { [bob.userId]: { '*': { n: 1 }, none: { n: 2 } }, '@nobody:test.local': { '*': {} } },
  }
  await Promise.all([alice.must('PUT', path, body), alice.must('PUT', path, body)])
  await alice.must('PUT', path, body)
  const own = server.ownStates.get(bob.userId)
  assert.ok(own)
  for (const device of [bob, phone]) {
    const page = await own.toDevice(device.deviceId, 0, 100)
    assert.deepEqual(
      page.messages.map((text) => JSON.parse(text) as JsonValue),
      [{ type: 'org.example.type', sender: alice.userId, content: { n: 1 } }],
    )
    assert.equal(page.more, false)
    assert.deepEqual(await own.toDevice(device.deviceId, page.upTo, 100), {
      messages: [],
      upTo: page.upTo,
      more: false,
    })
  }
  for (let n = 2; n < 7; n++) {
    const messages = { [bob.userId]: { [phone.deviceId]: { n } } }
    await alice.must('PUT', `/sendToDevice/org.example.type/txn${n}`, { messages })
  }
  const first = await own.toDevice(phone.deviceId, 0, 3)
  assert.deepEqual([first.messages.length, first.more], [3, true])
  own.acknowledgeToDevice(phone.deviceId, first.upTo)
  const rest = await own.toDevice(phone.deviceId, first.upTo, 100)
  assert.deepEqual([rest.messages.length, rest.more], [3, false])
  await alice.must('PUT', '/sendToDevice/org.example.type/barrier', {
    messages: { [bob.userId]: { [bob.deviceId]: {} } },
  })
  assert.equal((await own.toDevice(phone.deviceId, 0, 100)).messages.length, 3)
})

test('a transaction id is known after the actors have started again', async () => {
  const alice = await Person.register(server)
  const body = { messages: { [alice.userId]: { '*': { n: 1 } } } }
  await alice.must('PUT', '/sendToDevice/t/once', body)
  server = await server.restart()
  const put = await server.call('PUT', '/_matrix/client/v3/sendToDevice/t/once', { token: alice.token, body })
  assert.equal(put.status, 200)
  const own = server.ownStates.get(alice.userId)
  assert.equal((await own?.toDevice(alice.deviceId, 0, 100))?.messages.length, 1)
})

test('content that is too large for a message is refused before anybody gets any', async () => {
  const alice = await Person.register(server)
  const messages = { [alice.userId]: { '*': { text: 'x'.repeat(65_536) } } }
  const reply = await alice.call('PUT', '/sendToDevice/t/large', { messages })
  assert.deepEqual([reply.status, reply.body['errcode']], [413, 'M_TOO_LARGE'])
})

const key = (first: number, forwarded: number, verified: boolean, data: string): JsonObject => ({
  first_message_index: first,
  forwarded_count: forwarded,
  is_verified: verified,
  session_data: { data },
})

test('a backup keeps the better of two keys, counts, and changes its etag when it changes', async () => {
  const alice = await Person.register(server)
  const algorithm = 'm.megolm_backup.v1.curve25519-aes-sha2'
  assert.equal((await alice.call('GET', '/room_keys/version')).body['errcode'], 'M_NOT_FOUND')
  const created = { algorithm, auth_data: { public_key: 'a' } }
  const version = textOf(await alice.must('POST', '/room_keys/version', created), 'version')
  const session = `/room_keys/keys/!r:test.local/session?version=${version}`
  const first = await alice.must('PUT', session, key(5, 5, false, 'first'))
  assert.equal(first['count'], 1)
  for (const worse of [key(6, 0, false, 'w'), key(5, 6, false, 'w'), key(5, 5, false, 'w')]) {
    assert.deepEqual(await alice.must('PUT', session, worse), first)
  }
  for (const better of [key(5, 4, false, 'b1'), key(4, 9, false, 'b2'), key(9, 9, true, 'b3')]) {
    await alice.must('PUT', session, better)
    assert.deepEqual(await alice.must('GET', session), better)
  }
  const info = await alice.must('GET', '/room_keys/version')
  assert.deepEqual([info['count'], info['version'], info['algorithm']], [1, version, algorithm])
  assert.notEqual(info['etag'], first['etag'])
})

test('keys are put, read and deleted by session, by room, and all at once', async () => {
  const alice = await Person.register(server)
  const created = await alice.must('POST', '/room_keys/version', { algorithm: 'a', auth_data: {} })
  const query = `?version=${textOf(created, 'version')}`
  const sessions = { s1: key(0, 0, true, '1'), s2: key(0, 0, true, '2') }
  const rooms = { '!a:x': { sessions }, '!b:x': { sessions } }
  assert.equal((await alice.must('PUT', `/room_keys/keys${query}`, { rooms }))['count'], 4)
  assert.deepEqual(await alice.must('GET', `/room_keys/keys${query}`), { rooms })
  assert.equal((await alice.must('PUT', `/room_keys/keys/!c:x${query}`, { sessions }))['count'], 6)
  assert.equal((await alice.must('DELETE', `/room_keys/keys/!a:x/s1${query}`))['count'], 5)
  assert.deepEqual(await alice.must('GET', `/room_keys/keys/!a:x${query}`), { sessions: { s2: sessions.s2 } })
  assert.equal((await alice.call('GET', `/room_keys/keys/!a:x/s1${query}`)).status, 404)
  assert.equal((await alice.must('DELETE', `/room_keys/keys/!a:x${query}`))['count'], 4)
  assert.equal((await alice.must('DELETE', `/room_keys/keys${query}`))['count'], 0)
  assert.deepEqual(await alice.must('GET', `/room_keys/keys/!a:x${query}`), { sessions: {} })
})

test('only the latest version of a backup takes keys, and a deleted one is gone', async () => {
  const alice = await Person.register(server)
  const make = async (): Promise<string> =>
    textOf(await alice.must('POST', '/room_keys/version', { algorithm: 'a', auth_data: {} }), 'version')
  const [old, latest] = [await make(), await make()]
  const put = (version: string): ReturnType<Person['call']> =>
    alice.call('PUT', `/room_keys/keys/!a:x/s?version=${version}`, key(0, 0, true, 'x'))
  const refused = await put(old)
  assert.deepEqual(
    [refused.status, refused.body['errcode'], refused.body['current_version']],
    [403, 'M_WRONG_ROOM_KEYS_VERSION', latest],
  )
  const other = await alice.call('PUT', `/room_keys/version/${latest}`, { algorithm: 'b', auth_data: {} })
  assert.equal(other.body['errcode'], 'M_INVALID_PARAM')
  await alice.must('PUT', `/room_keys/version/${latest}`, { algorithm: 'a', auth_data: { changed: true } })
  await alice.must('DELETE', `/room_keys/version/${latest}`)
  await alice.must('DELETE', `/room_keys/version/${latest}`)
  assert.equal((await alice.call('GET', `/room_keys/version/${latest}`)).status, 404)
  assert.equal((await alice.must('GET', '/room_keys/version'))['version'], old)
  assert.equal((await put(old)).status, 200)
  assert.notEqual(await make(), latest)
})
