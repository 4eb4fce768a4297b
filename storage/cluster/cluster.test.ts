import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'node:test'

import { testDatabase } from '#test/support/postgres.ts'
import type { Session } from '../session.ts'
import { storageChannels } from '../events.ts'
import { readHeads } from './heads.ts'
import { checkIncarnation, leastEpoch, raiseIncarnation, readCluster } from './incarnation.ts'
import { forgetDeadHosts, listHosts, registerHost, renewHost, setDraining, unregisterHost } from './leases.ts'
import { listMoves } from './moves.ts'
import { takeEventNumbers, takeRoomNumbers } from './numbers.ts'
import { getOrCreateSecret } from './secrets.ts'
import { claimShards, deadHosts, listShards, releaseShard } from './shards.ts'

const limit = { timeout: 30_000 }
const hostA = 4503599627370496 + 11
const hostB = 12

function host(hostId: number): { hostId: number; name: string; version: string; roles: string } {
  return { hostId, name: `host-${hostId}`, version: '1', roles: 'actors' }
}

async function expire(session: Session, hostId: number): Promise<void> {
  await session.sql`update host_lease set expires_at = clock_timestamp() where host_id = ${hostId}`
}

test('a host states its weight, and one of a version without weights states none', limit, async () => {
  await using db = await testDatabase()
  await using session = db.database.session('lease')
  await registerHost(session, { ...host(hostA), weight: 3 })
  await session.sql`
    insert into host_lease (host_id, name, version, roles, expires_at) values (${hostB}, 'old', '0', 'actors', now())`
  const weights = new Map((await listHosts(db.database.reads)).map((h) => [h.hostId, h.weight]))
  assert.deepEqual([weights.get(hostA), weights.get(hostB)], [3, undefined])
})

test('a host states its condition when it registers and whenever it renews', limit, async () => {
  await using db = await testDatabase()
  await using session = db.database.session('lease')
  const conditions = async (): Promise<unknown[]> =>
    (await listHosts(db.database.reads)).map(({ condition }) => condition)
  await registerHost(session, { ...host(hostA), condition: 'cut off' })
  await session.sql`
    insert into host_lease (host_id, name, version, roles, expires_at) values (${hostB}, 'old', '0', 'actors', now())`
  assert.deepEqual(await conditions(), ['cut off', undefined])
  await renewHost(session, hostA, 'able')
  assert.deepEqual(await conditions(), ['able', undefined])
})

test('a shard that a host gave up because it was cut off has moved for that reason', limit, async () => {
  await using db = await testDatabase()
  await using a = db.database.session('a')
  await using b = db.database.session('b')
  await registerHost(a, host(hostA))
  await registerHost(b, host(hostB))
  await claimShards(a, hostA, [{ shard: 0, epoch: 0 }])
  await renewHost(a, hostA, 'cut off')
  await releaseShard(a, hostA, { shard: 0, epoch: 1 })
  await claimShards(b, hostB, [{ shard: 0, epoch: 1 }])
  const [move] = await listMoves(db.database.reads, 1)
  assert.deepEqual([move?.from?.hostId, move?.to.hostId, move?.why], [hostA, hostB, 'cut off'])
})

test('a lease is renewed while it lives and cannot be revived', limit, async () => {
  await using db = await testDatabase()
  await using session = db.database.session('lease')
  await registerHost(session, host(hostA))
  assert.equal(await renewHost(session, hostA, 'able'), true)
  assert.deepEqual(
    (await listHosts(db.database.reads)).map((h) => [h.hostId, h.alive]),
    [[hostA, true]],
  )
  await expire(session, hostA)
  assert.equal(await renewHost(session, hostA, 'able'), false)
  assert.equal((await listHosts(db.database.reads))[0]?.alive, false)
})

test('a host that unregisters is gone', limit, async () => {
  await using db = await testDatabase()
  await using session = db.database.session('lease')
  await registerHost(session, host(hostA))
  await unregisterHost(session, hostA)
  assert.deepEqual([...(await listHosts(db.database.reads))], [])
  assert.equal(await renewHost(session, hostA, 'able'), false)
})

test('a renewal over a new connection takes the session lock again', limit, async () => {
  await using db = await testDatabase()
  await using session = db.database.session('lease')
  await registerHost(session, host(hostA))
  await db.database.control.sql`
    select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'test lease'
      and datname = current_database()`
  const free = async (): Promise<boolean | undefined> =>
    (
      await db.database.control.sql<{ free: boolean }[]>`
      select pg_try_advisory_lock(${hostA}::bigint) as free, pg_advisory_unlock(${hostA}::bigint)`
    )[0]?.free
  assert.equal(await free(), true)
  // The first statement after the loss may be the one that learns of it.
  await renewHost(session, hostA, 'able').catch(() => renewHost(session, hostA, 'able'))
  assert.equal(await free(), false)
})

test(
  'a free shard is claimed with the next epoch, one that is owned by a living host is not',
  limit,
  async () => {
    await using db = await testDatabase()
    await using a = db.database.session('a')
    await using b = db.database.session('b')
    await registerHost(a, host(hostA))
    await registerHost(b, host(hostB))
    const seen = [
      { shard: 3, epoch: 0 },
      { shard: 1, epoch: 0 },
    ]
    assert.deepEqual(
      [...(await claimShards(a, hostA, seen))],
      [
        { shard: 1, epoch: 1 },
        { shard: 3, epoch: 1 },
      ],
    )
    assert.deepEqual([...(await claimShards(b, hostB, [{ shard: 3, epoch: 1 }]))], [])
    assert.deepEqual([...(await claimShards(b, hostB, seen))], [], 'an epoch that is not current any more')
    const shards = await listShards(db.database.reads)
    assert.equal(shards.length, 64)
    const both = { draining: false }
    assert.deepEqual(shards[3], { shard: 3, epoch: 1, owner: hostA, alive: true, ownerVersion: '1', ...both })
    const free = { owner: undefined, alive: false, ownerVersion: undefined }
    assert.deepEqual(shards[4], { shard: 4, epoch: 0, ...free, ...both })
  },
)

test('a shard of a host whose lease has expired can be claimed', limit, async () => {
  await using db = await testDatabase()
  await using a = db.database.session('a')
  await using b = db.database.session('b')
  await registerHost(a, host(hostA))
  await registerHost(b, host(hostB))
  await claimShards(a, hostA, [{ shard: 3, epoch: 0 }])
  await expire(b, hostA)
  assert.deepEqual([...(await claimShards(b, hostB, [{ shard: 3, epoch: 1 }]))], [{ shard: 3, epoch: 2 }])
  assert.equal(await releaseShard(a, hostA, { shard: 3, epoch: 1 }), false)
})

test(
  'a shard of a host whose session has ended can be claimed although its lease still lives',
  limit,
  async () => {
    await using db = await testDatabase()
    await using b = db.database.session('b')
    await registerHost(b, host(hostB))
    {
      await using a = db.database.session('a')
      await registerHost(a, host(hostA))
      await claimShards(a, hostA, [{ shard: 3, epoch: 0 }])
    }
    // Right after a start of the server no session is a sign of nothing, so the first seconds are waited for in the server.
    await b.sql`select pg_sleep(greatest(0, 5.1 - extract(epoch from clock_timestamp() - pg_postmaster_start_time())))`
    assert.equal((await listHosts(db.database.reads)).find((h) => h.hostId === hostA)?.alive, true)
    assert.deepEqual(await deadHosts(db.database.reads), [hostA])
    // Whoever looks holds the lock for a moment, and the others who were told of the death look at the same one.
    await using looking = db.database.session('looking')
    await looking.sql`select pg_advisory_lock_shared(${hostA}::bigint)`
    assert.deepEqual(await deadHosts(db.database.reads), [hostA])
    assert.deepEqual([...(await claimShards(b, hostB, [{ shard: 3, epoch: 1 }]))], [{ shard: 3, epoch: 2 }])
    assert.deepEqual(await deadHosts(db.database.reads), [hostA], 'also one that owns nothing any more')
  },
)

test('a host that drains or is not registered claims nothing', limit, async () => {
  await using db = await testDatabase()
  await using a = db.database.session('a')
  assert.deepEqual([...(await claimShards(a, hostA, [{ shard: 3, epoch: 0 }]))], [])
  await registerHost(a, host(hostA))
  assert.equal(await setDraining(a, hostA, true), true)
  assert.deepEqual([...(await claimShards(a, hostA, [{ shard: 3, epoch: 0 }]))], [])
  assert.equal(await setDraining(a, 999, true), false)
})

test('a released shard is free for others', limit, async () => {
  await using db = await testDatabase()
  await using a = db.database.session('a')
  await using b = db.database.session('b')
  await registerHost(a, host(hostA))
  await registerHost(b, host(hostB))
  await claimShards(a, hostA, [{ shard: 3, epoch: 0 }])
  assert.equal(await releaseShard(a, hostA, { shard: 3, epoch: 1 }), true)
  assert.deepEqual([...(await claimShards(b, hostB, [{ shard: 3, epoch: 1 }]))], [{ shard: 3, epoch: 2 }])
})

test('every change of owner is written down with its reason', limit, async () => {
  await using db = await testDatabase()
  await using a = db.database.session('a')
  await using b = db.database.session('b')
  await registerHost(a, host(hostA))
  await registerHost(b, host(hostB))
  const [nameA, nameB] = [`host-${hostA}`, `host-${hostB}`]
  await claimShards(a, hostA, [{ shard: 3, epoch: 0 }])
  assert.deepEqual(await listMoves(db.database.reads, 0), [])
  await releaseShard(a, hostA, { shard: 3, epoch: 1 })
  assert.equal((await listMoves(db.database.reads, 9)).length, 1, 'a shard without owner has not moved yet')
  await claimShards(b, hostB, [{ shard: 3, epoch: 1 }])
  await setDraining(b, hostB, true)
  await releaseShard(b, hostB, { shard: 3, epoch: 2 })
  await claimShards(a, hostA, [{ shard: 3, epoch: 2 }])
  await expire(a, hostA)
  await setDraining(b, hostB, false)
  await claimShards(b, hostB, [{ shard: 3, epoch: 3 }])
  await raiseIncarnation(db.database.control)
  const [, , , raised] = await listShards(db.database.reads)
  await claimShards(b, hostB, [{ shard: 3, epoch: raised?.epoch ?? 0 }])
  const moves = await listMoves(db.database.reads, 9)
  assert.deepEqual(
    moves.toReversed().map(({ epoch, from, to, why }) => [epoch, from?.name, to.name, why]),
    [
      [1, undefined, nameA, 'first'],
      [2, nameA, nameB, 'handed over'],
      [3, nameB, nameA, 'drained'],
      [4, nameA, nameB, 'expired'],
      [(raised?.epoch ?? 0) + 1, undefined, nameB, 'restored'],
    ],
  )
  const ages = moves.map((move) => Date.now() - move.atMs)
  assert.ok(
    ages.every((age) => Math.abs(age) < 60_000),
    `times are wrong: ${ages.join(', ')}`,
  )
})

test('of the moves of a shard the last thirty-two are kept', limit, async () => {
  await using db = await testDatabase()
  await using a = db.database.session('a')
  await registerHost(a, host(hostA))
  for (let epoch = 0; epoch < 40; epoch++) {
    await claimShards(a, hostA, [{ shard: 3, epoch }])
    await releaseShard(a, hostA, { shard: 3, epoch: epoch + 1 })
  }
  const moves = await listMoves(db.database.reads, 100)
  assert.deepEqual([moves.length, moves[0]?.epoch], [32, 40])
})

test('of two hosts that claim all shards at once each shard goes to exactly one', limit, async () => {
  await using db = await testDatabase()
  await using a = db.database.session('a')
  await using b = db.database.session('b')
  await registerHost(a, host(hostA))
  await registerHost(b, host(hostB))
  for (let round = 0; round < 20; round++) {
    const seen = Array.from({ length: 64 }, (_, shard) => ({ shard, epoch: round }))
    const reversed = seen.toReversed()
    const [first, second] = await Promise.all([claimShards(a, hostA, seen), claimShards(b, hostB, reversed)])
    assert.equal(first.length + second.length, 64, `round ${round}`)
    await a.sql`update shard set owner = null`
  }
})

test('hosts that are dead for long are forgotten unless they own a shard', limit, async () => {
  await using db = await testDatabase()
  const { control } = db.database
  for (const [hostId, age] of [
    [1, '2 hours'],
    [2, '2 hours'],
    [3, '1 minute'],
  ] as const) {
    await control.sql`insert into host_lease (host_id, name, version, roles, expires_at)
      values (${hostId}, 'h', '1', '', clock_timestamp() - ${age}::interval)`
  }
  await control.sql`update shard set owner = 2 where shard_id = 0`
  await forgetDeadHosts(control)
  assert.deepEqual(
    (await listHosts(db.database.reads)).map((h) => h.hostId),
    [2, 3],
  )
})

test('heads are the greatest positions, and zero for an empty log', limit, async () => {
  await using db = await testDatabase()
  const { control, reads } = db.database
  await control.sql`insert into log (shard_id, pos, epoch, kind) select 7, n, 1, 1 from generate_series(1, 9) n`
  const heads = await readHeads(reads)
  assert.equal(heads.length, 64)
  assert.deepEqual(
    [heads[7], heads[8]],
    [
      { shard: 7, epoch: 0, pos: 9 },
      { shard: 8, epoch: 0, pos: 0 },
    ],
  )
})

test('the incarnation is raised once when the server is another, with all epochs', limit, async () => {
  await using db = await testDatabase({ serverName: 'one.local' })
  const { control, reads } = db.database
  assert.equal(await checkIncarnation(control), false)
  await control.sql`update shard set owner = 5`
  const keys = async (): Promise<number> => (await control.sql`select from one_time_key`).length
  await control.sql`insert into one_time_key (user_id, device_id, algorithm, key_id, json, seq)
    values ('@a:b', 'D', 'signed_curve25519', 'A', '{}', 1)`
  assert.equal(await checkIncarnation(control), false)
  assert.equal(await keys(), 1)
  await control.sql`update cluster set timeline = timeline - 1`
  const raised = await Promise.all([checkIncarnation(control), checkIncarnation(control)])
  assert.deepEqual(
    raised.toSorted((a, b) => Number(a) - Number(b)),
    [false, true],
  )
  assert.equal(await keys(), 0, 'a key may have been given out in the time that was lost')
  const { incarnation = 0, ...others } = (await readCluster(reads)) ?? {}
  assert.ok(Math.abs(incarnation - Date.now() / 1000) < 60, `${incarnation} is the present second`)
  assert.deepEqual(others, { shardCount: 64, serverName: 'one.local' })
  assert.deepEqual((await listShards(reads))[9], {
    shard: 9,
    epoch: leastEpoch(incarnation),
    owner: undefined,
    alive: false,
    draining: false,
    ownerVersion: undefined,
  })
  await control.sql`update cluster set system_identifier = '1'`
  assert.equal(await checkIncarnation(control), true)
})

test('whoever finds another server says of when its newest event is', limit, async () => {
  await using db = await testDatabase()
  const { control } = db.database
  const told: unknown[] = []
  const onFact = (fact: unknown): void => void told.push(fact)
  subscribe(storageChannels.incarnation.name, onFact)
  try {
    await control.sql`update cluster set timeline = timeline - 1`
    await checkIncarnation(control)
    assert.deepEqual(told, [{ newestEventMs: undefined }])
    await control.sql`insert into room (room_nid, room_id, version, shard_id, created_at) values (1, '!r', '12', 3, 0)`
    for (const n of [1, 2]) {
      await control.sql`
        insert into event (event_nid, event_id, room_nid, type, sender, origin_server_ts, json)
        values (${n}, ${`$${n}`}, 1, 't', '@a:b', ${1000 * n}, '{}')`
      await control.sql`insert into log (shard_id, pos, epoch, kind, room_nid, event_nid) values (3, ${n}, 1, 1, 1, ${n})`
    }
    await checkIncarnation(control)
    await raiseIncarnation(control)
    assert.deepEqual(told.slice(1), [{ newestEventMs: 2000 }])
  } finally {
    unsubscribe(storageChannels.incarnation.name, onFact)
  }
})

test('the operator can raise the incarnation', limit, async () => {
  await using db = await testDatabase()
  await raiseIncarnation(db.database.control)
  const { incarnation = 0 } = (await readCluster(db.database.reads)) ?? {}
  assert.ok(incarnation > 1)
  assert.equal((await listShards(db.database.reads))[0]?.epoch, leastEpoch(incarnation))
})

test('a shard that has changed hands since it was looked at is not claimed', limit, async () => {
  await using db = await testDatabase()
  await using a = db.database.session('a')
  await registerHost(a, host(hostA))
  const seen = [{ shard: 3, epoch: 0 }]
  assert.deepEqual([...(await claimShards(a, hostA, seen))], [{ shard: 3, epoch: 1 }])
  await releaseShard(a, hostA, { shard: 3, epoch: 1 })
  assert.deepEqual([...(await claimShards(a, hostA, seen))], [])
})

test('no number is given again by a database that has gone back', limit, async () => {
  await using db = await testDatabase()
  const { control } = db.database
  const held = await takeEventNumbers(control)
  const room = await takeRoomNumbers(control, 1)
  await control.sql`select setval('event_number', 1, false), setval('room_number', 1, false)`
  await control.sql`update cluster set timeline = timeline + 1`
  assert((await takeEventNumbers(control)).first > held.last, 'a new server')
  assert((await takeRoomNumbers(control, 1))[0] !== room[0])
  await control.sql`select setval('event_number', 1, false), setval('room_number', 1, false)`
  await raiseIncarnation(control)
  assert((await takeEventNumbers(control)).first > held.last, 'a snapshot that was put back')
  assert((await takeRoomNumbers(control, 1))[0] !== room[0])
})

test('blocks of numbers never overlap', limit, async () => {
  await using db = await testDatabase()
  const blocks = await Promise.all(Array.from({ length: 10 }, () => takeEventNumbers(db.database.control)))
  const sorted = blocks.toSorted((a, b) => a.first - b.first)
  for (const [i, block] of sorted.entries()) {
    assert.equal(block.last - block.first, 999)
    assert(i === 0 || block.first > (sorted[i - 1]?.last ?? Infinity))
  }
  const rooms = [
    ...(await takeRoomNumbers(db.database.control, 3)),
    ...(await takeRoomNumbers(db.database.control, 2)),
  ]
  assert.equal(new Set(rooms).size, 5)
})

test('a secret is made once, also by two at once', limit, async () => {
  await using db = await testDatabase()
  await using other = db.database.session('other')
  const made = await Promise.all(
    [db.database.control, other].map((s, i) => getOrCreateSecret(s, 'key', () => `secret ${i}`)),
  )
  assert.equal(made[0], made[1])
  assert.equal(await getOrCreateSecret(other, 'key', () => 'another'), made[0])
})
