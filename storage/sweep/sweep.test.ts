import assert from 'node:assert/strict'
import { test } from 'node:test'

import { postgresProxy } from '#test/support/postgres-proxy.ts'
import { owner, receipt, shard, SweptLog } from '#test/support/swept-log.ts'
import type { ShardGroup } from '../commit.ts'
import { openDatabase } from '../pool.ts'
import type { ShardWrites } from '../shard-writes.ts'
import { readEndedSessions, readSessionHeads } from '../sync/sessions.ts'
import type { LogStepResult } from './sweep.ts'

const limit = { timeout: 30_000 }
const roomNid = 3
const alice = owner
const bob = '@bob:test.local'

test('of receipts the latest of each user, kind and thread stays', limit, async () => {
  await using log = await SweptLog.open()
  await log.receipt(alice)
  await log.receipt(alice, 'main')
  const thread = await log.receipt(alice, '$root')
  await log.receipt(alice)
  const other = await log.receipt(bob)
  const secret = await log.receipt(alice, '', 'm.read.private')
  const main = await log.receipt(alice, 'main')
  const last = await log.receipt(alice)
  await log.sweep()
  assert.deepEqual(await log.positions(), [thread, other, secret, main, last])
})

test('what the walk has left goes when it meets the next one, however often they come', limit, async () => {
  await using log = await SweptLog.open()
  for (let round = 0; round < 4; round++) {
    await log.receipt(alice)
    await log.accountData({ type: 'm.direct' })
    await log.accountData({ type: 'm.fully_read', roomId: '!r' })
    // A walk that ends between two rows of one key leaves the first one, and knows of it.
    if (round !== 2) await log.sweep()
  }
  assert.deepEqual(await log.positions(), [10, 11, 12])
  const receipts = await log.db.database.reads.sql`select kept_pos as kept from receipt`
  assert.deepEqual(
    receipts.map((row) => ({ ...row })),
    [{ kept: 10 }],
  )
})

test('of account data the latest of each item stays, whatever its content', limit, async () => {
  await using log = await SweptLog.open()
  const roomId = '!room:test.local'
  const type = 'm."tag\\'
  const content = { text: '\u0000 \\" ü', roomId: '!other', last: { roomId } }
  await log.accountData({ type, content })
  await log.accountData({ type, roomId, content })
  const elsewhere = await log.accountData({ type, roomId: '!other', content })
  const otherType = await log.accountData({ type: 'm', content })
  const global = await log.accountData({ type, content: {} })
  const ofRoom = await log.accountData({ type, roomId, content })
  await log.end()
  await log.sweep()
  assert.deepEqual(await log.positions(), [elsewhere, otherType, global, ofRoom, log.head])
})

test('a device list row goes only for one of the same user in the same room', limit, async () => {
  await using log = await SweptLog.open()
  const row = (nid: number, user: string): Promise<number> =>
    log.row({ kind: 'deviceList', roomNid: nid, body: JSON.stringify({ user }) })
  await row(1, alice)
  const otherRoom = await row(2, alice)
  const otherUser = await row(1, bob)
  const last = await row(1, alice)
  await log.end()
  await log.sweep()
  assert.deepEqual(await log.positions(), [otherRoom, otherUser, last, log.head])
})

test(
  'changes of devices go for those that name the same users, and profiles for the same keys',
  limit,
  async () => {
    await using log = await SweptLog.open()
    const devices = (body: object, userId = alice): Promise<number> =>
      log.row({ kind: 'userDevices', userId, body: JSON.stringify(body) })
    const profile = (keys: string[]): Promise<number> =>
      log.row({ kind: 'profile', userId: alice, body: JSON.stringify({ keys }) })
    await devices({})
    const both = await devices({ users: [bob, '@carl:test.local'] })
    await devices({ users: [bob] })
    const ofBob = await devices({}, bob)
    await profile(['displayname'])
    const avatar = await profile(['avatar_url'])
    const self = await devices({})
    const one = await devices({ users: [bob] })
    const name = await profile(['displayname'])
    await log.cursor('devices', log.head)
    await log.cursor('profile', log.head)
    await log.end()
    await log.sweep()
    assert.deepEqual(await log.positions(), [both, ofBob, avatar, self, one, name, log.head])
  },
)

test(
  'rows that rooms have not been told of stay, and go when a later one is walked over',
  limit,
  async () => {
    await using log = await SweptLog.open()
    const devices = (): Promise<number> => log.row({ kind: 'userDevices', userId: alice, body: '{}' })
    const profile = (): Promise<number> => log.row({ kind: 'profile', userId: alice, body: '{"keys":["x"]}' })
    const told = await devices()
    const untold = await devices()
    await profile()
    await profile()
    await log.cursor('devices', told)
    await devices()
    await log.end()
    await log.sweep()
    assert.deepEqual(await log.positions(), [untold, 3, 4, 5, 6])
    await log.cursor('devices', log.head)
    await log.cursor('profile', log.head)
    const lastDevices = await devices()
    const lastProfile = await profile()
    await log.end()
    await log.sweep()
    assert.deepEqual(await log.positions(), [6, lastDevices, lastProfile, log.head])
  },
)

test('the last row of a log stays, and the next commit goes on behind it', limit, async () => {
  await using log = await SweptLog.open()
  for (let i = 0; i < 5; i++) await log.receipt(alice)
  await log.sweep()
  assert.deepEqual(await log.positions(), [5])
  await log.receipt(bob)
  await log.receipt(alice)
  await log.sweep()
  assert.deepEqual(await log.positions(), [6, 7])
})

test('rows of other kinds, and rows with an idempotency key, stay', limit, async () => {
  await using log = await SweptLog.open()
  const keyed = (n: number): string => Buffer.alloc(16, n).toString('base64url')
  for (let n = 1; n <= 2; n++) {
    await log.row({ kind: 'event', roomNid, eventNid: n })
    await log.row({ kind: 'state', roomNid })
    await log.row({ kind: 'membership', roomNid, userId: alice, membership: 'join' })
    await log.row({ kind: 'toDevice', userId: alice, body: '{"devices":["D"]}', txnKey: keyed(n) })
    await log.row({ kind: 'forget', userId: alice, body: '{"roomId":"!r","shard":7,"pos":1}' })
    await log.row({ kind: 'deviceList', roomNid, body: '{"user":"x"}', txnKey: keyed(n + 8) })
  }
  await log.sweep()
  assert.equal((await log.positions()).length, 12)
})

test('a sweeper that does not own the shard any more changes nothing', limit, async () => {
  await using log = await SweptLog.open()
  await log.receipt(alice)
  await log.receipt(alice)
  await log.step()
  await log.db.database.control.sql`update shard set epoch = 2 where shard_id = ${shard}`
  assert.deepEqual(await log.step(), { kind: 'fenced' })
  assert.deepEqual(await log.positions(), [1, 2])
})

test('a row is left alone until it is old enough', limit, async () => {
  await using log = await SweptLog.open()
  const { control } = log.db.database
  const ageMs = 3_600_000
  await log.receipt(alice)
  await log.receipt(alice)
  const first = await log.step({ ageMs })
  assert(first.kind === 'done' && first.waitMs !== undefined && first.waitMs > ageMs - 60_000)
  await log.receipt(alice)
  assert.deepEqual(await log.positions(), [1, 2, 3])
  await control.sql`update sweep set seen_at = seen_at - interval '1 hour'`
  const second = await log.step({ ageMs })
  assert.deepEqual({ ...second, waitMs: 0 }, { kind: 'done', deleted: { receipt: 2 }, waitMs: 0 })
  assert.deepEqual(await log.positions(), [3])
  const third = await log.step({ ageMs })
  assert(third.kind === 'done' && third.waitMs !== undefined && third.waitMs > ageMs - 60_000)
})

test('a step looks at so many rows and says that there are more', limit, async () => {
  await using log = await SweptLog.open()
  for (let i = 0; i < 7; i++) await log.receipt(alice)
  await log.step({ look: 3 })
  assert.deepEqual(await log.step({ look: 3 }), { kind: 'done', deleted: { receipt: 3 }, waitMs: 0 })
  assert.deepEqual(await log.step({ look: 3 }), { kind: 'done', deleted: { receipt: 3 }, waitMs: 0 })
  await log.sweep({ look: 3 })
  assert.deepEqual(await log.positions(), [7])
})

test('a receipt that is overtaken while the step waits for the shard goes, too', limit, async () => {
  await using log = await SweptLog.open()
  const { database } = log.db
  await log.receipt(alice)
  await log.end()
  await log.step()
  await using session = database.session('commit')
  const blocked = async (): Promise<boolean> => {
    const { sql } = database.reads
    const waits = await sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
    return waits.length > 0
  }
  const step = Promise.withResolvers<LogStepResult>()
  await session.sql.begin(async (sql) => {
    await sql`select from shard where shard_id = ${shard} for no key update`
    log.step().then(step.resolve, step.reject)
    for (let i = 0; !(await blocked()); i++) assert(i < 5000, 'the step does not wait')
    await sql`insert into log (shard_id, pos, epoch, kind, room_nid, body) select shard_id, 3, epoch, kind, room_nid, body
      from log where shard_id = ${shard} and pos = 1`
    await sql`update receipt set pos = 3`
  })
  assert.deepEqual(await step.promise, { kind: 'done', deleted: { receipt: 1 }, waitMs: 0 })
  log.head = 3
  await log.sweep()
  assert.deepEqual(await log.positions(), [2, 3])
})

test(
  'a commit whose answer was lost is recognised, for nothing above the answered position goes',
  limit,
  async () => {
    await using log = await SweptLog.open()
    await log.receipt(alice)
    await using proxy = await postgresProxy(log.db.options)
    await using database = await openDatabase(proxy.options)
    const store = database.commitStore()
    const group = (after: number, ...writes: ShardWrites[]): ShardGroup[] => [
      { shard, epoch: 1, after, writes },
    ]
    // The statement has been prepared when its answer is lost.
    await store.commit(group(1, receipt(alice)))
    const lost = group(2, receipt(alice), receipt(alice), receipt(alice))
    proxy.loseNextAnswer()
    await assert.rejects(store.commit(lost))
    assert.deepEqual(await log.positions(), [1, 2, 3, 4, 5])
    for (let i = 0; i < 3; i++) await log.step({ upTo: 2 })
    assert.deepEqual(await log.positions(), [3, 4, 5])
    assert.deepEqual(await store.commit(lost), { kind: 'committed' })
    log.head = 5
    await log.sweep()
    assert.deepEqual(await log.positions(), [5])
  },
)

test('of ended sessions the latest row stays, and who has missed others is told', limit, async () => {
  await using log = await SweptLog.open()
  const { reads } = log.db.database
  const end = (device: string): Promise<number> =>
    log.row({ kind: 'session', userId: alice, body: JSON.stringify({ deviceIds: [device] }) })
  const asleep = Array.from({ length: 64 }, () => 0)
  await end('A')
  const awake = asleep.with(shard, await end('B'))
  const last = await end('C')
  await log.end()
  await log.sweep()
  assert.deepEqual(await log.positions(), [last, log.head])
  assert.equal((await readEndedSessions(reads, asleep)).missed, true)
  const news = await readEndedSessions(reads, awake)
  assert.equal(news.missed, false)
  assert.deepEqual(
    news.ended.map(({ pos }) => pos),
    [last],
  )
  const { positions } = await readSessionHeads(reads)
  assert.equal((await readEndedSessions(reads, positions)).missed, false)
  const next = await end('D')
  await log.end()
  await log.sweep()
  assert.deepEqual(await log.positions(), [4, next, log.head])
})

test(
  'tokens, reservations and claimed keys are deleted when their time has been over for long enough',
  limit,
  async () => {
    await using log = await SweptLog.open()
    const { control, reads } = log.db.database
    await control.sql`
    insert into login_token select decode(md5(n::text), 'hex'), ${alice}, n from generate_series(1, 700) as n`
    await control.sql`insert into openid_token values ('\\x01', ${alice}, 99), ('\\x02', ${alice}, 101)`
    await control.sql`
    insert into media (media_id, user_id, content_type, size, created_at, expires_at)
    values ('reserved', ${alice}, '', -1, 1, 99), ('young', ${alice}, '', -1, 1, 101), ('used', ${alice}, '', 5, 1, 99)`
    const dayMs = 86_400_000
    await control.sql`
    insert into claimed_key select ${alice}, 'D', 'a', n::text, '{}', n - ${dayMs}::bigint from generate_series(1, 600) as n`
    const swept = async (beforeMs: number): Promise<number[]> => {
      const { loginToken, openIdToken, media, claimedKey } = await log.store.sweepExpired(beforeMs)
      return [loginToken, openIdToken, media, claimedKey]
    }
    assert.deepEqual(await swept(100), [99, 1, 1, 99])
    assert.deepEqual(await swept(1000), [500, 1, 1, 500])
    assert.deepEqual(await swept(1000), [101, 0, 0, 1])
    const media = await reads.sql<{ id: string }[]>`select media_id as id from media`
    assert.deepEqual(
      media.map(({ id }) => id),
      ['used'],
    )
  },
)
