/** Every query function that has a model, asked of both databases about everything that they hold. */

import assert from 'node:assert/strict'
import type { NodeId } from '#protocol/state/trie-node.ts'
import * as keys from '#storage/e2ee/one-time-keys.ts'
import { readToDevice, readInboxHeads } from '#storage/e2ee/to-device.ts'
import type { Reads } from '#storage/reads.ts'
import { recentEvents, roomStanding } from '#storage/rooms/activation.ts'
import { readEventsByNid } from '#storage/rooms/events.ts'
import { joinedOfServer, joinedRooms, membershipChanges } from '#storage/rooms/membership.ts'
import { placedEvents } from '#storage/rooms/placed-events.ts'
import { readReceiptsOfUser } from '#storage/rooms/receipts.ts'
import { firstMemberRoot, readNodesOfRooms, readStateNodes, rootsAt } from '#storage/rooms/rooms.ts'
import { eventOfTxn } from '#storage/rooms/transactions.ts'
import { readNumbersWithoutMembers, readRelatedIds } from '#storage/sync/events.ts'
import { readSyncHeads } from '#storage/sync/heads.ts'
import { readJoinedUsers, readMemberCounts, readUsersStillSharing } from '#storage/sync/members.ts'
import { readMemberships, readOwnRows } from '#storage/sync/own.ts'
import * as syncRooms from '#storage/sync/rooms.ts'
import { readEndedSessions, readSessionHeads } from '#storage/sync/sessions.ts'
import { readNewestEventsBegin, readUnreadMarks } from '#storage/sync/unread.ts'
import { readAccount } from '#storage/users/accounts.ts'
import { readAllAccountData } from '#storage/users/account-data.ts'
import { readDevices } from '#storage/users/devices.ts'
import { readFollowBacklogs, readFollowRows } from '#storage/users/following.ts'
import { readProfiles } from '#storage/users/profiles.ts'
import { readRoomOfUser, readRoomsOfUser } from '#storage/users/rooms-of-user.ts'
import { readDeviceTokens, readLoginTokens, readSession } from '#storage/users/tokens.ts'
import * as modelKeys from './model/e2ee/one-time-keys.ts'
import * as modelToDevice from './model/e2ee/to-device.ts'
import * as modelActivation from './model/rooms/activation.ts'
import * as modelEvents from './model/rooms/events.ts'
import * as modelMembership from './model/rooms/membership.ts'
import * as modelPlaced from './model/rooms/placed-events.ts'
import * as modelReceipts from './model/rooms/receipts.ts'
import * as modelRooms from './model/rooms/rooms.ts'
import * as modelTransactions from './model/rooms/transactions.ts'
import * as modelSyncEvents from './model/sync/events.ts'
import * as modelHeads from './model/sync/heads.ts'
import * as modelMembers from './model/sync/members.ts'
import * as modelOwn from './model/sync/own.ts'
import * as modelSyncRooms from './model/sync/rooms.ts'
import * as modelSessions from './model/sync/sessions.ts'
import * as modelUnread from './model/sync/unread.ts'
import * as modelAccounts from './model/users/accounts.ts'
import * as modelAccountData from './model/users/account-data.ts'
import * as modelDevices from './model/users/devices.ts'
import * as modelFollowing from './model/users/following.ts'
import * as modelProfiles from './model/users/profiles.ts'
import * as modelRoomsOfUser from './model/users/rooms-of-user.ts'
import * as modelTokens from './model/users/tokens.ts'
import { immediate } from './model/access.ts'
import type { Tables } from './model/tables.ts'

/** A query function, and its model. */
type Pair<A extends readonly unknown[]> = readonly [
  real: (reads: Reads, ...args: A) => Promise<unknown>,
  model: (reads: Reads, ...args: A) => Promise<unknown>,
]

/** Asks both, and compares; what has no order is put into one. */
class Comparison {
  readonly #real: Reads
  readonly #model: Reads

  constructor(real: Reads, tables: Tables) {
    this.#real = real
    this.#model = immediate(tables)
  }

  async same<A extends readonly unknown[]>([real, model]: Pair<A>, ...args: A): Promise<void> {
    const [expected, actual] = await Promise.all([real(this.#real, ...args), model(this.#model, ...args)])
    assert.deepEqual(plain(actual), plain(expected), `${real.name}(${JSON.stringify(args).slice(0, 300)})`)
  }
}

function plain(value: unknown): unknown {
  if (value instanceof Map) return sorted([...value].map(([key, one]) => [plain(key), plain(one)]))
  if (value instanceof Set) return sorted([...value])
  if (Array.isArray(value)) return sorted(value.map(plain))
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]))
}

function sorted(list: readonly unknown[]): unknown[] {
  return list.map((item) => JSON.stringify(item)).toSorted()
}

/** Compares everything. */
export async function compareReads(real: Reads, tables: Tables): Promise<void> {
  const with_ = new Comparison(real, tables)
  await with_.same([readSyncHeads, modelHeads.readSyncHeads])
  const rooms = tables.all('room').map((row) => ({
    // The casts state what the columns hold.
    roomId: row['room_id'] as Parameters<typeof roomStanding>[1],
    roomNid: row['room_nid'] as number,
    shard: row['shard_id'] as number,
  }))
  const users = tables.all('account').map((row) => row['user_id'] as Parameters<typeof readAccount>[1])
  for (const room of rooms) await compareRoom(with_, tables, { ...room, users })
  for (const userId of users) await compareUser(with_, tables, { userId, rooms })
  const shards = tables.shards.map((_row, shard) => shard)
  await with_.same([readFollowBacklogs, modelFollowing.readFollowBacklogs], shards, 3)
  for (const shard of shards)
    for (const kind of ['devices', 'profile'] as const)
      await with_.same([readFollowRows, modelFollowing.readFollowRows], { kind, shard, after: 1, limit: 2 })
  await with_.same([readSessionHeads, modelSessions.readSessionHeads])
  const heads = tables.shards.map((_row, shard) => tables.headOf(shard))
  for (const share of [0, 0.3, 0.6, 1]) {
    const after = heads.map((head) => Math.floor(head * share))
    await with_.same([readEndedSessions, modelSessions.readEndedSessions], after)
  }
  await with_.same([readProfiles, modelProfiles.readProfiles], users)
}

async function compareRoom(
  both: Comparison,
  tables: Tables,
  room: {
    readonly roomId: Parameters<typeof roomStanding>[1]
    readonly roomNid: number
    readonly shard: number
    readonly users: readonly Parameters<typeof readAccount>[1][]
  },
): Promise<void> {
  const { roomId, roomNid, users } = room
  const log = tables.byRoom.get(roomNid) ?? []
  const head = log.at(-1)?.pos ?? 0
  const middle = log[log.length >> 1]?.pos ?? 0
  const nids = log.flatMap(({ eventNid }) => eventNid ?? [])
  const eventIds = nids.map((nid) => String(tables.events.get(nid)?.['event_id']))
  const places = [head, middle, 0].map((pos) => ({ roomNid, pos }))
  await both.same([roomStanding, modelActivation.roomStanding], roomId)
  await both.same([recentEvents, modelActivation.recentEvents], roomNid, 5)
  await both.same([readEventsByNid, modelEvents.readEventsByNid], nids)
  await both.same([placedEvents, modelPlaced.placedEvents], roomNid, [...eventIds, '$unknown'])
  await both.same([rootsAt, modelRooms.rootsAt], places)
  await both.same([firstMemberRoot, modelRooms.firstMemberRoot], roomNid)
  // The cast states what the column holds.
  const roots = [...new Set(log.flatMap(({ stateRoot }) => stateRoot ?? []))].map((root) => root as NodeId)
  await both.same([readStateNodes, modelRooms.readStateNodes], roomNid, roots)
  await both.same(
    [readNodesOfRooms, modelRooms.readNodesOfRooms],
    roots.map((id) => ({ roomNid, id })),
  )
  for (const { txnKey } of log)
    if (txnKey !== null) await both.same([eventOfTxn, modelTransactions.eventOfTxn], txnKey)
  await both.same([joinedOfServer, modelMembership.joinedOfServer], room, { server: 'sim.test', limit: 2 })
  await both.same([readNumbersWithoutMembers, modelSyncEvents.readNumbersWithoutMembers], nids)
  await both.same(
    [readRelatedIds, modelSyncEvents.readRelatedIds],
    eventIds.map((eventId) => ({ roomNid, eventId })),
  )
  for (const place of places) await both.same([readMemberCounts, modelMembers.readMemberCounts], [place])
  await both.same([readJoinedUsers, modelMembers.readJoinedUsers], places)
  await both.same(
    [readUsersStillSharing, modelMembers.readUsersStillSharing],
    [{ roomNid, pos: head }],
    users,
  )
  await compareRanges(both, { roomNid, head, middle, users })
}

async function compareRanges(
  both: Comparison,
  room: {
    readonly roomNid: number
    readonly head: number
    readonly middle: number
    readonly users: readonly Parameters<typeof readAccount>[1][]
  },
): Promise<void> {
  const { roomNid, head, middle, users } = room
  for (const [after, upTo] of [
    [0, head],
    [middle, head],
    [0, middle],
  ] as const) {
    const range = { roomNid, after, upTo }
    for (const limit of [1, 4, 100]) {
      await both.same([syncRooms.readTimelines, modelSyncRooms.readTimelines], [{ ...range, limit }])
      await both.same([syncRooms.readEventsToCount, modelSyncRooms.readEventsToCount], [{ ...range, limit }])
      await both.same([readNewestEventsBegin, modelUnread.readNewestEventsBegin], [{ ...range, limit }])
    }
    await both.same([syncRooms.readFacts, modelSyncRooms.readFacts], [range])
    for (const userId of users)
      await both.same([syncRooms.readReceipts, modelSyncRooms.readReceipts], userId, [range])
  }
  await both.same([syncRooms.readRoomInfos, modelSyncRooms.readRoomInfos], [roomNid])
  await both.same([syncRooms.readVisibilityChanges, modelSyncRooms.readVisibilityChanges], [roomNid])
}

async function compareUser(
  both: Comparison,
  tables: Tables,
  user: {
    readonly userId: Parameters<typeof readAccount>[1]
    readonly rooms: readonly {
      readonly roomId: Parameters<typeof roomStanding>[1]
      readonly roomNid: number
      readonly shard: number
    }[]
  },
): Promise<void> {
  const { userId, rooms } = user
  const heads = tables.shards.map((_row, shard) => tables.headOf(shard))
  const halves = heads.map((head) => head >> 1)
  const nids = rooms.map(({ roomNid }) => roomNid)
  await both.same([readAccount, modelAccounts.readAccount], userId)
  await both.same([readDevices, modelDevices.readDevices], userId)
  await both.same([readAllAccountData, modelAccountData.readAllAccountData], userId)
  await both.same([readOwnRows, modelOwn.readOwnRows], userId, { after: halves, upTo: heads })
  await both.same([readMemberships, modelOwn.readMemberships], userId, heads)
  await both.same([readMemberships, modelOwn.readMemberships], userId, halves)
  await both.same([joinedRooms, modelMembership.joinedRooms], userId)
  await both.same([readRoomsOfUser, modelRoomsOfUser.readRoomsOfUser], userId)
  await both.same([readReceiptsOfUser, modelReceipts.readReceiptsOfUser], userId, nids)
  await both.same([syncRooms.readOwnReceipts, modelSyncRooms.readOwnReceipts], userId, nids)
  await both.same([readUnreadMarks, modelUnread.readUnreadMarks], userId)
  await both.same([readInboxHeads, modelToDevice.readInboxHeads], userId)
  const page = { deviceId: 'D0', after: 0, limit: 2 }
  await both.same([readToDevice, modelToDevice.readToDevice], userId, page)
  const device = { userId, deviceId: 'D0' }
  // The casts state what the columns hold.
  const hashes = tables.all('access_token').map((row) => row['token_hash'] as string)
  for (const hash of [...hashes, 'AAAA']) await both.same([readSession, modelTokens.readSession], hash)
  for (const row of tables.devices.values())
    await both.same([readDeviceTokens, modelTokens.readDeviceTokens], userId, row['device_id'] as string)
  await both.same([readLoginTokens, modelTokens.readLoginTokens], userId)
  await both.same([keys.readKeyCounts, modelKeys.readKeyCounts], device)
  await both.same([keys.readOldestKey, modelKeys.readOldestKey], device, 'sim')
  const names = [...tables.all('one_time_key'), ...tables.claimedKeys.values()].map(
    (row) => `${String(row['algorithm'])}:${String(row['key_id'])}`,
  )
  await both.same([keys.readKeysById, modelKeys.readKeysById], device, [...new Set(names), 'sim:none'])
  await both.same([keys.readLastKeyNumber, modelKeys.readLastKeyNumber], userId)
  await both.same([keys.readFallbackKeys, modelKeys.readFallbackKeys], device)
  for (const room of rooms) {
    await both.same([readRoomOfUser, modelRoomsOfUser.readRoomOfUser], userId, room.roomId)
    await both.same([membershipChanges, modelMembership.membershipChanges], room, userId)
  }
}
