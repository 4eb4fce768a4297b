import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { UserId } from '#protocol/ids/user-id.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { testDatabase, type TestDatabase } from '#test/support/postgres.ts'
import { readBackedUpKeys, readKeyBackup, readLastBackupVersion } from '../e2ee/backups.ts'
import { readCrossSigningKeys, readKeySignatures } from '../e2ee/cross-signing.ts'
import {
  readFallbackKeys,
  readKeyCounts,
  readKeysById,
  readLastKeyNumber,
  readOldestKey,
} from '../e2ee/one-time-keys.ts'
import { readInboxHeads, readToDevice } from '../e2ee/to-device.ts'
import { readMedia } from '../media/metadata.ts'
import { ShardWrites } from '../shard-writes.ts'
import { readAllAccountData } from './account-data.ts'
import { hasAccounts, readAccount } from './accounts.ts'
import { readDevices } from './devices.ts'
import { readFilter } from './filters.ts'
import { readProfile, readProfiles } from './profiles.ts'
import { readDeviceTokens, readLoginToken, readOpenIdToken, readRefreshToken, readSession } from './tokens.ts'

const limit = { timeout: 30_000 }
// The casts stand for parsing: these are ids of the right form.
const alice = '@alice:test.local' as UserId
const bob = '@bob:test.local' as UserId
const device = { user_id: alice, device_id: 'D' }
const hash = (n: number): string => Buffer.alloc(32, n).toString('base64')

/** Commits what `fill` puts, in shard 9. */
async function commit(db: TestDatabase, fill: (writes: ShardWrites) => void): Promise<void> {
  await db.database.control.sql`update shard set epoch = 1 where shard_id = 9`
  const [row] = await db.database.reads.sql<
    { pos: number }[]
  >`select coalesce(max(pos), 0) as pos from log where shard_id = 9`
  const writes = new ShardWrites(9)
  fill(writes)
  const result = await db.database
    .commitStore()
    .commit([{ shard: 9, epoch: 1, after: row?.pos ?? 0, writes: [writes] }])
  assert.equal(result.kind, 'committed')
}

test('an account is read as it was written, and absent fields are undefined', limit, async () => {
  await using db = await testDatabase()
  const { reads } = db.database
  assert.equal(await hasAccounts(reads), false)
  const row = { created_at: 7, admin: true, erased: false, deactivated_at: null }
  await commit(db, (writes) => writes.put('account', { ...row, user_id: alice, password_hash: null }))
  assert.equal(await hasAccounts(reads), true)
  assert.deepEqual(await readAccount(reads, alice), {
    userId: alice,
    createdAt: 7,
    passwordHash: undefined,
    admin: true,
    deactivatedAt: undefined,
    erased: false,
  })
  assert.equal(await readAccount(reads, bob), undefined)
})

test('a session is found by its hash alone, with the rights of its account', limit, async () => {
  await using db = await testDatabase()
  const { reads } = db.database
  await commit(db, (writes) => {
    writes.put('account', {
      user_id: alice,
      created_at: 7,
      password_hash: null,
      admin: true,
      deactivated_at: null,
      erased: false,
    })
    writes.put('device', { ...device, created_at: 1, display_name: 'Phone' })
    writes.put('access_token', { ...device, token_hash: hash(2), expires_at: 200 })
    writes.put('access_token', { ...device, token_hash: hash(1), expires_at: 100 })
    writes.put('refresh_token', { ...device, token_hash: hash(3), replaced: true })
  })
  assert.deepEqual(await readSession(reads, hash(1)), {
    userId: alice,
    deviceId: 'D',
    admin: true,
    expiresAt: 100,
  })
  assert.equal(await readSession(reads, hash(3)), undefined)
  assert.deepEqual(await readRefreshToken(reads, hash(3)), { userId: alice, deviceId: 'D', replaced: true })
  assert.deepEqual(await readDeviceTokens(reads, alice, 'D'), {
    access: [hash(1), hash(2)],
    refresh: [{ hash: hash(3), replaced: true }],
  })
  assert.deepEqual(
    [...(await readDevices(reads, alice))],
    [
      {
        deviceId: 'D',
        displayName: 'Phone',
        createdAt: 1,
        lastSeenTs: undefined,
        lastSeenIp: undefined,
        keys: undefined,
      },
    ],
  )
})

test('the removal of a device ends its tokens, keys and inbox', limit, async () => {
  await using db = await testDatabase()
  const { reads } = db.database
  const address = { userId: alice, deviceId: 'D' }
  await commit(db, (writes) => {
    writes.put('access_token', { ...device, token_hash: hash(1), expires_at: null })
    writes.put('refresh_token', { ...device, token_hash: hash(2), replaced: false })
    writes.put('one_time_key', { ...device, algorithm: 'a', key_id: '1', json: '{}', seq: 1 })
    writes.put('fallback_key', { ...device, algorithm: 'a', key_id: '2', json: '{}', used: false })
    writes.put('to_device', {
      ...device,
      pos: writes.append({ kind: 'toDevice', userId: alice }),
      sub: 0,
      message: '{}',
    })
  })
  await commit(db, (writes) => writes.put('device_removal', device))
  assert.deepEqual(await readDeviceTokens(reads, alice, 'D'), { access: [], refresh: [] })
  assert.equal((await readKeyCounts(reads, address)).size, 0)
  assert.equal((await readFallbackKeys(reads, address)).length, 0)
  assert.equal((await readInboxHeads(reads, alice)).size, 0)
})

test('short-lived tokens count until they expire', limit, async () => {
  await using db = await testDatabase()
  const { reads } = db.database
  await commit(db, (writes) => {
    writes.put('login_token', { token_hash: hash(1), user_id: alice, expires_at: 100 })
    writes.put('openid_token', { token_hash: hash(2), user_id: alice, expires_at: 100 })
  })
  assert.deepEqual(await Promise.all([99, 100].map((now) => readLoginToken(reads, hash(1), now))), [
    alice,
    undefined,
  ])
  assert.deepEqual(await Promise.all([99, 100].map((now) => readOpenIdToken(reads, hash(2), now))), [
    alice,
    undefined,
  ])
})

test('profiles, filters and account data are those of their user', limit, async () => {
  await using db = await testDatabase()
  const { reads } = db.database
  await commit(db, (writes) => {
    writes.put('profile', { user_id: alice, key: 'displayname', value: '"A"' })
    writes.put('filter', { user_id: alice, filter_id: '1', json: '{"room":{}}' })
    const pos = writes.append({ kind: 'accountData', userId: alice })
    writes.put('account_data', { user_id: alice, room_id: '', type: 't', content: '{"a":1}', pos })
  })
  assert.deepEqual([...(await readProfile(reads, alice))], [['displayname', '"A"']])
  assert.deepEqual([...(await readProfiles(reads, [alice, bob])).keys()], [alice])
  assert.equal((await readProfile(reads, bob)).size, 0)
  assert.equal(await readFilter(reads, alice, '1'), '{"room":{}}')
  assert.equal(await readFilter(reads, bob, '1'), undefined)
  assert.deepEqual(
    [...(await readAllAccountData(reads, alice))],
    [{ roomId: '', type: 't', content: '{"a":1}', pos: 1 }],
  )
})

test('one-time keys are counted by algorithm and given out in the order of upload', limit, async () => {
  await using db = await testDatabase()
  const { reads } = db.database
  const address = { userId: alice, deviceId: 'D' }
  await commit(db, (writes) => {
    const key = { ...device, algorithm: 'signed_curve25519', json: '{}' }
    writes.put('one_time_key', { ...key, key_id: 'a', seq: 2 })
    writes.put('one_time_key', { ...key, key_id: 'b', seq: 1 })
    writes.put('fallback_key', { ...key, key_id: 'f', used: true })
  })
  assert.deepEqual([...(await readKeyCounts(reads, address))], [['signed_curve25519', 2]])
  assert.equal((await readOldestKey(reads, address, 'signed_curve25519'))?.keyId, 'b')
  assert.equal(await readOldestKey(reads, address, 'curve25519'), undefined)
  assert.deepEqual(
    (await readKeysById(reads, address, ['signed_curve25519:a', 'signed_curve25519:z'])).map((k) => k.keyId),
    ['a'],
  )
  assert.equal(await readLastKeyNumber(reads, alice), 2)
  assert.equal(await readLastKeyNumber(reads, bob), 0)
  assert.deepEqual(
    (await readFallbackKeys(reads, address)).map((k) => k.used),
    [true],
  )
})

test(
  'a signature over a user’s keys is shown to its signer and to nobody else but the keys’ owner’s readers',
  limit,
  async () => {
    await using db = await testDatabase()
    const { reads } = db.database
    await commit(db, (writes) => {
      writes.put('cross_signing_key', { user_id: alice, usage: 'master', json: '{}' })
      const signature = { target_user: alice, target_key: 'M', signature: 's' }
      writes.put('key_signature', { ...signature, signer_id: alice, signer_key_id: 'ed25519:own' })
      writes.put('key_signature', { ...signature, signer_id: bob, signer_key_id: 'ed25519:bob' })
    })
    assert.deepEqual(
      [...(await readCrossSigningKeys(reads, [alice, bob]))],
      [{ userId: alice, usage: 'master', json: '{}' }],
    )
    const signers = async (viewer: UserId | undefined): Promise<UserId[]> =>
      (await readKeySignatures(reads, [alice], viewer)).map(({ signerId }) => signerId)
    assert.deepEqual(await signers(alice), [alice])
    assert.deepEqual(await signers(bob), [alice, bob])
    assert.deepEqual(await signers(undefined), [alice])
  },
)

test('an inbox is read in order, a page at a time, and emptied by what was acknowledged', limit, async () => {
  await using db = await testDatabase()
  const { reads } = db.database
  await commit(db, (writes) => {
    for (const n of [1, 2, 3]) {
      const pos = writes.append({ kind: 'toDevice', userId: alice })
      writes.put('to_device', { ...device, pos, sub: 0, message: `{"n":${n}}` })
    }
  })
  const page = async (after: number): Promise<number[]> =>
    (await readToDevice(reads, alice, { deviceId: 'D', after, limit: 2 })).map(({ pos }) => pos)
  assert.deepEqual(await page(0), [1, 2])
  assert.deepEqual(await page(2), [3])
  assert.deepEqual([...(await readInboxHeads(reads, alice))], [['D', 3]])
  await commit(db, (writes) => writes.put('to_device_ack', { ...device, pos: 2 }))
  assert.deepEqual(await page(0), [3])
})

test('a backup is the latest that is not deleted, and its keys are read as far as asked', limit, async () => {
  await using db = await testDatabase()
  const { reads } = db.database
  const room = '!r:test.local' as RoomId
  const key = {
    user_id: alice,
    version: 1,
    first_message_index: 0,
    forwarded_count: 0,
    is_verified: false,
    session_data: '{}',
  }
  await commit(db, (writes) => {
    const backup = { user_id: alice, algorithm: 'a', auth_data: '{}', etag: 1 }
    writes.put('key_backup', { ...backup, version: 1, deleted: false })
    writes.put('key_backup', { ...backup, version: 2, deleted: true })
    for (const session_id of ['s', 't']) writes.put('key_backup_key', { ...key, room_id: room, session_id })
    writes.put('key_backup_key', { ...key, room_id: '!other:test.local', session_id: 's' })
  })
  assert.deepEqual(await readKeyBackup(reads, alice), {
    version: 1,
    algorithm: 'a',
    authData: '{}',
    etag: 1,
    deleted: false,
    count: 3,
  })
  assert.equal((await readKeyBackup(reads, alice, 2))?.deleted, true)
  assert.equal(await readLastBackupVersion(reads, alice), 2)
  assert.equal((await readBackedUpKeys(reads, { userId: alice, version: 1 })).length, 3)
  assert.equal((await readBackedUpKeys(reads, { userId: alice, version: 1, roomId: room })).length, 2)
  assert.equal(
    (await readBackedUpKeys(reads, { userId: alice, version: 1, roomId: room, sessionId: 't' })).length,
    1,
  )
  await commit(db, (writes) =>
    writes.put('key_backup_removal', { user_id: alice, version: 1, room_id: room }),
  )
  assert.equal((await readBackedUpKeys(reads, { userId: alice, version: 1 })).length, 1)
  await commit(db, (writes) => writes.put('key_backup_removal', { user_id: alice, version: 1 }))
  assert.equal((await readBackedUpKeys(reads, { userId: alice, version: 1 })).length, 0)
})

test('media that is only reserved has no size yet', limit, async () => {
  await using db = await testDatabase()
  const row = { media_id: 'm', user_id: alice, content_type: 'image/png', file_name: null, created_at: 1 }
  await commit(db, (writes) => writes.put('media', { ...row, size: -1, sha256: null, expires_at: 9 }))
  const media = await readMedia(db.database.reads, 'm')
  assert.deepEqual([media?.size, media?.sha256, media?.expiresAt], [undefined, undefined, 9])
  await commit(db, (writes) => writes.put('media', { ...row, size: 3, sha256: 'AAEC', expires_at: null }))
  const uploaded = await readMedia(db.database.reads, 'm')
  assert.deepEqual(
    [uploaded?.size, uploaded?.sha256, uploaded?.expiresAt],
    [3, Buffer.from([0, 1, 2]), undefined],
  )
})
