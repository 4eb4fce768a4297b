import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'

import { openDatabase, type Database } from '#storage/pool.ts'
import { postgresProxy } from '#test/support/postgres-proxy.ts'
import { testDatabase } from '#test/support/postgres.ts'
import type { CommitResult, CommitStore, ShardGroup } from './commit.ts'
import { commitArguments } from './commit-arguments.ts'
import type { Sql } from './connection.ts'
import { ShardWrites } from './shard-writes.ts'

type PendingRows = ReturnType<Sql>

const limit = { timeout: 30_000 }

/** Takes the shard as another owner would, and returns the epoch. */
async function claim(database: Database, shard: number): Promise<number> {
  const [row] = await database.control.sql<{ epoch: number }[]>`
    update shard set epoch = epoch + 1 where shard_id = ${shard} returning epoch`
  assert(row)
  return row.epoch
}

interface SendOptions {
  readonly nid?: number
  readonly eventId?: string
  readonly txnKey?: string
}

/** One event in one log row. */
function send(writes: ShardWrites, options: SendOptions = {}): ShardWrites {
  const nid = options.nid ?? randomBytes(6).readUIntBE(0, 6)
  writes.append({
    kind: 'event',
    roomNid: 1,
    eventNid: nid,
    ...(options.txnKey && { txnKey: options.txnKey }),
  })
  writes.put('event', {
    event_nid: nid,
    event_id: options.eventId ?? `$${nid}`,
    room_nid: 1,
    type: 'm.room.message',
    state_key: null,
    sender: '@alice:test.local',
    origin_server_ts: 1,
    json: '{"content":{"body":"\\u0000 \\" ü"}}',
    txn: null,
  })
  return writes
}

function group(shard: number, epoch: number, after: number, ...writes: ShardWrites[]): ShardGroup {
  return { shard, epoch, after, writes }
}

async function positions(database: Database, shard: number): Promise<number[]> {
  const rows = await database.reads.sql<
    { pos: number }[]
  >`select pos from log where shard_id = ${shard} order by pos`
  return rows.map((row) => row.pos)
}

async function all(query: PendingRows): Promise<unknown[]> {
  return [...(await query.values())]
}

/** Returns when some statement waits for a lock. */
async function waitUntilBlocked(database: Database): Promise<void> {
  const { sql } = database.reads
  const query = (): PendingRows => sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  for (let i = 0; (await query()).length === 0; i++) assert(i < 5000, 'nothing waits for a lock')
}

async function committed(store: CommitStore, ...groups: ShardGroup[]): Promise<void> {
  assert.deepEqual(await store.commit(groups), { kind: 'committed' } satisfies CommitResult)
}

test('a commit stores log rows at the next positions and the rows of the tables', limit, async () => {
  await using db = await testDatabase()
  const store = db.database.commitStore()
  const epoch = await claim(db.database, 5)
  await committed(
    store,
    group(5, epoch, 0, send(new ShardWrites(5), { nid: 11 }), send(send(new ShardWrites(5)))),
  )
  assert.deepEqual(await positions(db.database, 5), [1, 2, 3])
  const [event] = await db.database.reads.sql`
    select e.json, l.epoch, l.kind, l.room_nid from event e join log l using (event_nid) where event_nid = 11`
  assert.deepEqual(
    { ...event },
    { json: '{"content":{"body":"\\u0000 \\" ü"}}', epoch, kind: 1, room_nid: 1 },
  )
})

test('a row that holds a reference stores the position that its log row was given', limit, async () => {
  await using db = await testDatabase()
  const epoch = await claim(db.database, 5)
  const first = send(new ShardWrites(5))
  const second = new ShardWrites(5)
  const ref = second.append({ kind: 'accountData', userId: '@a:test.local', body: '{"type":"t"}' })
  second.put('account_data', { user_id: '@a:test.local', room_id: '', type: 't', content: '{}', pos: ref })
  await committed(db.database.commitStore(), group(5, epoch, 0, first, second))
  const [row] = await db.database.reads.sql`select pos from account_data`
  assert.equal(row?.['pos'], 2)
})

test('every column of a log row is stored as it was appended', limit, async () => {
  await using db = await testDatabase()
  const epoch = await claim(db.database, 5)
  const writes = new ShardWrites(5)
  const key = Buffer.alloc(16, 7).toString('base64url')
  writes.append({
    kind: 'event',
    roomNid: 1,
    eventNid: 2,
    userId: '@a:b',
    membership: 'ban',
    prevMembership: 'leave',
    stateRoot: Buffer.alloc(16, 9).toString('base64url'),
    tips: [2, 3],
    txnKey: key,
    body: '{"a":1}',
    userShards: '-9223372036854775808',
    serverShards: '3',
  })
  await committed(db.database.commitStore(), group(5, epoch, 0, writes))
  const [row] = await db.database.reads.sql`
    select membership, prev_membership, encode(state_root, 'hex') as root, tips, encode(txn_key, 'hex') as txn, body,
      user_shards::text, server_shards::text from log`
  assert.deepEqual(
    { ...row },
    {
      membership: 3,
      prev_membership: 0,
      root: '09'.repeat(16),
      tips: [2, 3],
      txn: '07'.repeat(16),
      body: '{"a":1}',
      user_shards: '-9223372036854775808',
      server_shards: '3',
    },
  )
})

test('a commit whose answer was lost is recognised when it is sent again', limit, async () => {
  await using db = await testDatabase()
  await using proxy = await postgresProxy(db.options)
  await using behindProxy = await openDatabase(proxy.options)
  const store = behindProxy.commitStore()
  const epoch = await claim(db.database, 5)
  await committed(store, group(5, epoch, 0, send(new ShardWrites(5))))
  const lost = [
    group(5, epoch, 1, send(new ShardWrites(5), { txnKey: Buffer.alloc(16, 1).toString('base64url') })),
  ]
  proxy.loseNextAnswer()
  await assert.rejects(store.commit(lost), (error) => store.classify(error) === 'weather')
  assert.deepEqual(await positions(db.database, 5), [1, 2])
  await committed(store, ...lost)
  assert.deepEqual(await positions(db.database, 5), [1, 2])
  await committed(store, group(5, epoch, 2, send(new ShardWrites(5))))
})

test(
  'a commit of several shards whose answer was lost is recognised, also where one part appends nothing',
  limit,
  async () => {
    await using db = await testDatabase()
    await using proxy = await postgresProxy(db.options)
    await using behindProxy = await openDatabase(proxy.options)
    const store = behindProxy.commitStore()
    const epochs = [
      await claim(db.database, 7),
      await claim(db.database, 3),
      await claim(db.database, 5),
    ] as const
    await committed(store, group(7, epochs[0], 0, send(new ShardWrites(7))))
    const quiet = new ShardWrites(5)
    quiet.put('profile', { user_id: '@a:b', key: 'displayname', value: '"A"' })
    const lost = [
      group(7, epochs[0], 1, send(new ShardWrites(7))),
      group(3, epochs[1], 0, send(send(new ShardWrites(3)))),
      group(5, epochs[2], 0, quiet),
    ]
    proxy.loseNextAnswer()
    await assert.rejects(store.commit(lost), (error) => store.classify(error) === 'weather')
    await committed(store, ...lost)
    assert.deepEqual(await positions(db.database, 7), [1, 2])
    assert.deepEqual(await positions(db.database, 3), [1, 2])
  },
)

test('a request that was cut in the middle has no effect and can be sent again', limit, async () => {
  await using db = await testDatabase()
  await using proxy = await postgresProxy(db.options)
  await using behindProxy = await openDatabase(proxy.options)
  const store = behindProxy.commitStore()
  const epoch = await claim(db.database, 5)
  await committed(store, group(5, epoch, 0, send(new ShardWrites(5))))
  const cut = [group(5, epoch, 1, send(new ShardWrites(5)))]
  proxy.cutNextRequest()
  await assert.rejects(store.commit(cut), (error) => store.classify(error) === 'weather')
  assert.deepEqual(await positions(db.database, 5), [1])
  await committed(store, ...cut)
  assert.deepEqual(await positions(db.database, 5), [1, 2])
})

test('an owner of an older epoch is fenced, and its whole group writes nothing', limit, async () => {
  await using db = await testDatabase()
  const store = db.database.commitStore()
  const [five, six] = [await claim(db.database, 5), await claim(db.database, 6)]
  await claim(db.database, 5)
  const result = await store.commit([
    group(5, five, 0, send(new ShardWrites(5))),
    group(6, six, 0, send(new ShardWrites(6))),
  ])
  assert.deepEqual(result, { kind: 'fenced', shards: [5] })
  assert.deepEqual(await all(db.database.reads.sql`select from log`), [])
  assert.deepEqual(await all(db.database.reads.sql`select from event`), [])
})

test('an owner that stops inside a transaction is ended, and its successor goes on', limit, async () => {
  await using db = await testDatabase({ storage: { idleInTransactionMs: 300 } })
  const epoch = await claim(db.database, 5)
  await using paused = db.database.session('paused')
  await paused.sql`begin`
  await paused.sql`select from shard where shard_id = 5 and epoch = ${epoch} for no key update`
  await paused.sql`insert into log (shard_id, pos, epoch, kind) values (5, 1, ${epoch}, 1)`
  const next = await claim(db.database, 5)
  await assert.rejects(async () => paused.sql`commit`.then(() => paused.sql`select 1 from no_such_table`))
  await committed(db.database.commitStore(), group(5, next, 0, send(new ShardWrites(5))))
  assert.deepEqual(await all(db.database.reads.sql`select epoch from log where shard_id = 5`), [[next]])
})

test('a claim waits for the commit under way and then sees its position', limit, async () => {
  await using db = await testDatabase()
  const epoch = await claim(db.database, 5)
  const { shards, log, kinds, runs } = commitArguments([group(5, epoch, 0, send(new ShardWrites(5)))])
  await using slow = db.database.session('slow')
  await slow.sql`begin`
  await slow.sql`select commit_group(${shards}, ${log}, ${kinds}, ${runs[0] ?? null})`
  let claimed = false
  const claiming = claim(db.database, 5).finally(() => (claimed = true))
  await waitUntilBlocked(db.database)
  assert.equal(claimed, false)
  await slow.sql`commit`
  const next = await claiming
  assert.deepEqual(await positions(db.database, 5), [1])
  await committed(db.database.commitStore(), group(5, next, 1, send(new ShardWrites(5))))
})

test('of two claimers of one epoch exactly one wins, a hundred times', limit, async () => {
  await using db = await testDatabase()
  await using other = db.database.session('other')
  for (let round = 0; round < 100; round++) {
    const claims = [db.database.control, other].map(
      ({ sql }) =>
        sql`update shard set epoch = epoch + 1 where shard_id = 5 and epoch = ${round} returning epoch`,
    )
    const winners = (await Promise.all(claims)).filter((rows) => rows.length === 1)
    assert.equal(winners.length, 1, `round ${round}`)
  }
})

test(
  'a log that ends before the stated position is told as behind, and nothing is written',
  limit,
  async () => {
    await using db = await testDatabase()
    const epoch = await claim(db.database, 5)
    const result = await db.database.commitStore().commit([group(5, epoch, 3, send(new ShardWrites(5)))])
    assert.deepEqual(result, { kind: 'behind', shards: [5] })
    assert.deepEqual(await positions(db.database, 5), [])
  },
)

test('an owner that states a position of the past cannot overwrite or fork the log', limit, async () => {
  await using db = await testDatabase()
  const store = db.database.commitStore()
  const first = await claim(db.database, 5)
  await committed(store, group(5, first, 0, send(new ShardWrites(5))))
  const second = await claim(db.database, 5)
  await assert.rejects(store.commit([group(5, second, 0, send(new ShardWrites(5)))]), /did not write/)
  assert.deepEqual(await positions(db.database, 5), [1])
})

test('a transaction key that is in the log already is a result, and nothing is written', limit, async () => {
  await using db = await testDatabase()
  const store = db.database.commitStore()
  const epoch = await claim(db.database, 5)
  const txnKey = Buffer.alloc(16, 3).toString('base64url')
  await committed(store, group(5, epoch, 0, send(new ShardWrites(5), { txnKey })))
  const again = group(5, epoch, 1, send(new ShardWrites(5)), send(new ShardWrites(5), { txnKey }))
  assert.deepEqual(await store.commit([again]), { kind: 'seen', txnKeys: [txnKey] })
  assert.deepEqual(await positions(db.database, 5), [1])
})

test(
  'a row that breaks a constraint or cannot be stored is the content’s fault and writes nothing',
  limit,
  async () => {
    await using db = await testDatabase()
    const store = db.database.commitStore()
    const epoch = await claim(db.database, 5)
    await committed(store, group(5, epoch, 0, send(new ShardWrites(5), { nid: 1, eventId: '$a' })))
    const duplicate = group(
      5,
      epoch,
      1,
      send(new ShardWrites(5)),
      send(new ShardWrites(5), { nid: 2, eventId: '$a' }),
    )
    await assert.rejects(store.commit([duplicate]), (error) => store.classify(error) === 'content')
    const nul = group(5, epoch, 1, send(new ShardWrites(5), { eventId: '$\u0000' }))
    await assert.rejects(store.commit([nul]), (error) => store.classify(error) === 'content')
    assert.deepEqual(await positions(db.database, 5), [1])
  },
)

test(
  'positions are gap-free and ascending over concurrent committers, failures and owners',
  limit,
  async () => {
    await using db = await testDatabase()
    const stores = [db.database.commitStore(), db.database.commitStore()]
    const heads = new Map<number, number>()
    const work = stores.map(async (store, which) => {
      const shards = [which * 2, which * 2 + 1]
      const epochs = await Promise.all(shards.map((shard) => claim(db.database, shard)))
      for (let i = 0; i < 20; i++) {
        const groups = shards.map((shard, j) => {
          const writes = i % 3 === 0 ? send(send(new ShardWrites(shard))) : send(new ShardWrites(shard))
          return group(shard, epochs[j] ?? 0, heads.get(shard) ?? 0, writes)
        })
        if (i % 7 === 0) {
          const poisoned = groups.map((g) => ({
            ...g,
            writes: [...g.writes, send(new ShardWrites(g.shard), { eventId: '\u0000' })],
          }))
          await assert.rejects(store.commit(poisoned))
        }
        await committed(store, ...groups)
        for (const g of groups)
          heads.set(g.shard, g.after + g.writes.reduce((sum, w) => sum + w.log.length, 0))
      }
    })
    await Promise.all(work)
    for (const [shard, head] of heads) {
      assert.deepEqual(
        await positions(db.database, shard),
        Array.from({ length: head }, (_, i) => i + 1),
      )
    }
  },
)

test('the last word on a key within a group holds', limit, async () => {
  await using db = await testDatabase()
  const epoch = await claim(db.database, 5)
  const writes = new ShardWrites(5)
  const key = { user_id: '@a:b', key: 'displayname' }
  writes.put('profile', { ...key, value: '"1"' })
  writes.put('profile', { ...key, value: '"2"' })
  writes.put('profile', { user_id: '@a:b', key: 'gone', value: '1' })
  writes.put('profile', { user_id: '@a:b', key: 'gone', value: '', deleted: true })
  writes.put('profile', { user_id: '@a:b', key: 'back', value: '', deleted: true })
  const later = new ShardWrites(5)
  later.put('profile', { user_id: '@a:b', key: 'back', value: '3' })
  await committed(db.database.commitStore(), group(5, epoch, 0, writes, later))
  const rows = await all(db.database.reads.sql`select key, value from profile order by key`)
  assert.deepEqual(rows, [
    ['back', '3'],
    ['displayname', '"2"'],
  ])
})

test('a device that is removed and made again in one group keeps nothing of the old one', limit, async () => {
  await using db = await testDatabase()
  const store = db.database.commitStore()
  const epoch = await claim(db.database, 5)
  const id = { user_id: '@a:b', device_id: 'D' }
  const token = { ...id, expires_at: null }
  const before = new ShardWrites(5)
  before.put('device', { ...id, created_at: 1, display_name: 'old', keys: '{}' })
  before.put('access_token', { ...token, token_hash: 'AAAA' })
  await committed(store, group(5, epoch, 0, before))
  const writes = new ShardWrites(5)
  writes.put('access_token', { ...token, token_hash: 'BBBB' })
  writes.put('device_removal', id)
  writes.put('device', { ...id, deleted: true })
  writes.put('device', { ...id, created_at: 2 })
  writes.put('access_token', { ...token, token_hash: 'CCCC' })
  await committed(store, group(5, epoch, 0, writes))
  const devices = await all(db.database.reads.sql`select created_at, display_name, keys from device`)
  assert.deepEqual(devices, [[2, null, null]])
  const tokens = await all(db.database.reads.sql`select encode(token_hash, 'base64') from access_token`)
  assert.deepEqual(tokens, [['CCCC']])
})

test(
  'a partial device row keeps the fields it does not name and cannot bring back a deleted device',
  limit,
  async () => {
    await using db = await testDatabase()
    const store = db.database.commitStore()
    const epoch = await claim(db.database, 5)
    const id = { user_id: '@a:b', device_id: 'D' }
    const writes = new ShardWrites(5)
    writes.put('device', { ...id, created_at: 1, display_name: 'name', keys: '{"k":1}' })
    writes.put('device', { ...id, last_seen_ts: 9 })
    await committed(store, group(5, epoch, 0, writes))
    const later = new ShardWrites(5)
    later.put('device', { ...id, display_name: null })
    later.put('device', { user_id: '@a:b', device_id: 'gone', last_seen_ts: 9 })
    await committed(store, group(5, epoch, 0, later))
    const rows = await all(
      db.database.reads.sql`select device_id, created_at, display_name, keys, last_seen_ts from device`,
    )
    assert.deepEqual(rows, [['D', 1, null, '{"k":1}', 9]])
  },
)

test('messages acknowledged before others arrive in one group leave the others', limit, async () => {
  await using db = await testDatabase()
  const epoch = await claim(db.database, 5)
  const id = { user_id: '@a:b', device_id: 'D' }
  const writes = new ShardWrites(5)
  const first = writes.append({ kind: 'toDevice', userId: id.user_id })
  writes.put('to_device', { ...id, pos: first, sub: 0, message: '1' })
  writes.put('to_device_ack', { ...id, pos: 100 })
  const second = writes.append({ kind: 'toDevice', userId: id.user_id })
  writes.put('to_device', { ...id, pos: second, sub: 0, message: '2' })
  await committed(db.database.commitStore(), group(5, epoch, 0, writes))
  assert.deepEqual(await all(db.database.reads.sql`select message from to_device`), [['2']])
})

test('an event that is redacted in the group that stores it is stored redacted', limit, async () => {
  await using db = await testDatabase()
  const epoch = await claim(db.database, 5)
  const writes = send(new ShardWrites(5), { nid: 1 })
  writes.put('event_redaction', { event_nid: 1, redacted_by: 2, json: '{}' })
  send(writes, { nid: 2 })
  await committed(db.database.commitStore(), group(5, epoch, 0, writes))
  const rows = await all(
    db.database.reads.sql`select event_nid, json = '{}', redacted_by from event order by event_nid`,
  )
  assert.deepEqual(rows, [
    [1, true, 2],
    [2, false, null],
  ])
})

test(
  'a commit that its signal ends is weather, and the store goes on with a new connection',
  limit,
  async () => {
    await using db = await testDatabase()
    const store = db.database.commitStore()
    const epoch = await claim(db.database, 5)
    await committed(store, group(5, epoch, 0, send(new ShardWrites(5))))
    await using blocker = db.database.session('blocker')
    await blocker.sql`begin`
    await blocker.sql`select from shard where shard_id = 5 for update`
    const waiting = [group(5, epoch, 1, send(new ShardWrites(5)))]
    await assert.rejects(
      store.commit(waiting, AbortSignal.timeout(50)),
      (error) => store.classify(error) === 'weather',
    )
    await blocker.sql`rollback`
    await committed(store, ...waiting)
    assert.deepEqual(await positions(db.database, 5), [1, 2])
  },
)

test('bulk rows may be stored again and are not fenced', limit, async () => {
  await using db = await testDatabase()
  const rows = Array.from({ length: 1100 }, (_, i) => ({
    kind: 'state_node' as const,
    row: { room_nid: 1, id: Buffer.from(String(i)).toString('base64'), data: 'AAAA' },
  }))
  await db.database.bulk(rows)
  await db.database.bulk(rows.slice(500))
  assert.deepEqual(await all(db.database.reads.sql`select count(*) from state_node`), [[1100]])
})

test('reads cannot write', limit, async () => {
  await using db = await testDatabase()
  await assert.rejects(async () => db.database.reads.sql`delete from shard`, { code: '25006' })
})

test(
  'a commit over a new connection to another server is fenced: that server may have lost commits',
  limit,
  async () => {
    await using db = await testDatabase()
    const epoch = await claim(db.database, 5)
    const store = db.database.commitStore()
    await committed(store, group(5, epoch, 0, send(new ShardWrites(5))))
    const { sql } = db.database.control
    // As after the promotion of a standby: the timeline is another one.
    await sql`update cluster set timeline = timeline - 1`
    await committed(store, group(5, epoch, 1, send(new ShardWrites(5))))
    await sql`
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and application_name like '%commit%'`
    const late = group(5, epoch, 2, send(new ShardWrites(5)))
    // The first call may be the one that learns of the lost connection.
    const result = await store.commit([late]).catch(() => store.commit([late]))
    assert.deepEqual(result, { kind: 'fenced', shards: [5] })
    assert.deepEqual(await positions(db.database, 5), [1, 2])
    const [row] = await sql<{ incarnation: number }[]>`select incarnation from cluster`
    assert.ok((row?.incarnation ?? 0) > 1)
  },
)
