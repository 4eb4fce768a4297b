/**
 * Whether each answer was true at some moment between question and answer, and whether what follows from a change has followed. All
 * of it rests on the times of commits, so that nothing is said of runs in which the database went back.
 */

import { shardOf } from '#actors/runtime/shards.ts'
import { parseUserId } from '#protocol/ids/user-id.ts'
import { isJsonObject, objectField, stringField } from '#protocol/json/types.ts'
import { leaseMs } from '#storage/cluster/leases.ts'
import { logKinds, memberships } from '#storage/log-kinds.ts'
import type { LogRecord } from './model/tables.ts'
import type { Asked } from './people.ts'
import { eventsOf, logOf, membershipChanges, stateOf } from './truth.ts'
import type { World } from './world.ts'

/** A change is told to rooms again and again with growing pauses: after so long the next attempt has come. */
const patienceMs = 60_000

/** A copy of a request that the bus has kept for so long may still arrive, and do again what it says. Milliseconds. */
const lateMs = 5000

export function checkAnswers(world: World): void {
  if (world.hasGoneBack) return
  const times = new CommitTimes(world)
  for (const asked of world.people.history) {
    // It rests on what Postgres says, whoever owned what.
    if (asked.what === 'forget') checkForgotten(world, times, asked)
    if (isOfTwoOwners(world, asked, asked.roomId)) continue
    if (asked.what === 'send' && asked.outcome === 'refused') checkRefusal(world, times, asked)
    if (asked.what === 'topic' && asked.outcome === 'done') checkTopic(world, times, asked)
  }
  checkAccountData(world)
}

/**
 * Whoever is taken for dead too early may answer from his memory until he has looked again, at the latest until his lease is over: what he
 * says was true when he lost the shard.
 */
export function isOfTwoOwners(world: World, asked: Asked, key: string | undefined): boolean {
  const shard = key === undefined ? -1 : shardOf(key, world.shardCount)
  return world.server.earlyClaims.some(
    (claim) =>
      claim.shard === shard && claim.atMs <= asked.endedMs && asked.invokedMs <= claim.atMs + leaseMs,
  )
}

/** When each row of the logs became durable. */
class CommitTimes {
  readonly #times = new Map<string, number>()

  constructor(world: World) {
    for (const { atMs, shards } of world.server.commits)
      for (const { after, rows, shard } of shards)
        for (let pos = after + 1; pos <= after + rows; pos++) this.#times.set(`${shard} ${pos}`, atMs)
  }

  of(record: LogRecord): number {
    return this.#times.get(`${record.shard} ${record.pos}`) ?? Number.NEGATIVE_INFINITY
  }
}

/** The memberships that a user had from the question until the answer, as they were committed. Undefined: none yet. */
function membershipsMeanwhile(world: World, times: CommitTimes, asked: Asked): (number | undefined)[] {
  const changes = membershipChanges(world.server.tables, asked.roomId ?? '', asked.userId)
  const before = changes.findLast((row) => times.of(row) <= asked.invokedMs)
  const between = changes.filter((row) => times.of(row) > asked.invokedMs && times.of(row) <= asked.endedMs)
  return [before, ...between].map((row) => row?.membership ?? undefined)
}

/** Whoever was refused was not in the room at some moment between. A refusal rests on what is committed. */
function checkRefusal(world: World, times: CommitTimes, asked: Asked): void {
  if (membershipsMeanwhile(world, times, asked).some((membership) => membership !== memberships.join)) return
  world.found(
    'answers',
    `${asked.userId} was refused in ${asked.roomId} from ${asked.invokedMs} to ${asked.endedMs}, and was in it`,
  )
}

/** Whoever has forgotten a room had left it at some moment between, and whoever was refused had not. */
function checkForgotten(world: World, times: CommitTimes, asked: Asked): void {
  if (asked.outcome !== 'done' && asked.outcome !== 'refused') return
  const meanwhile = membershipsMeanwhile(world, times, asked)
  const isOut = (membership: number | undefined): boolean =>
    membership === memberships.leave || membership === memberships.ban
  if (meanwhile.some((membership) => isOut(membership) === (asked.outcome === 'done'))) return
  world.found(
    'answers',
    `${asked.userId} wanted to forget ${asked.roomId} from ${asked.invokedMs} to ${asked.endedMs}: ${asked.outcome}`,
  )
}

/** The event that an answer names was the room's topic at some moment between. */
function checkTopic(world: World, times: CommitTimes, asked: Asked): void {
  const topics = eventsOf(world.server.tables, asked.roomId ?? '').filter(
    ({ type }) => type === 'm.room.topic',
  )
  for (const eventId of asked.eventIds) {
    const index = topics.findIndex((event) => event.eventId === eventId)
    const [set, next] = [topics[index], topics[index + 1]]
    const isTrue =
      set !== undefined &&
      times.of(set.record) <= asked.endedMs &&
      (next === undefined || times.of(next.record) >= asked.invokedMs)
    if (!isTrue)
      world.found(
        'answers',
        `${asked.key} of ${asked.userId}: ${eventId} was not the topic from ${asked.invokedMs} to ${asked.endedMs}`,
      )
  }
}

/** What is stored in the end was not overwritten before: no other write began after it had been answered. */
function checkAccountData(world: World): void {
  for (const userId of world.users) {
    const writes = world.people.history.filter((one) => one.what === 'accountData' && one.userId === userId)
    const row = world.server.tables.get('account_data', userId, '', 'sim.data')
    const value =
      row === undefined ? undefined : String((JSON.parse(String(row['content'])) as { value: number }).value)
    const last = writes.filter(({ key }) => key === value)
    const isOverwritten = writes.some(
      (write) => write.outcome === 'done' && last.every(({ endedMs }) => endedMs + lateMs < write.invokedMs),
    )
    if (isOverwritten)
      world.found('answers', `${userId} has account data ${value}, after which another write was answered`)
  }
}

/** What follows from changes of users: their names in the rooms, and their devices told to those who share a room. */
export async function checkFollowing(world: World): Promise<void> {
  if (world.hasGoneBack) return
  if (wrongNames(world).length > 0) await world.kernel.advance(patienceMs)
  for (const what of wrongNames(world)) world.found('following', what)
  for (const asked of world.people.history) {
    if (asked.what !== 'deviceKeys' || asked.outcome !== 'done') continue
    for (const device of world.devices) checkDeviceNews(world, asked, device)
  }
}

function wrongNames(world: World): string[] {
  const { tables } = world.server
  return world.users.flatMap((userId) => {
    const stored = tables.get('profile', userId, 'displayname')
    if (stored === undefined) return []
    // The cast states what the column holds.
    const name = JSON.parse(String(stored['value'])) as string
    return world.rooms.flatMap((roomId) => {
      // A join says itself by which name.
      if (hasJoinedSinceNaming(world, roomId, userId)) return []
      if (membershipChanges(tables, roomId, userId).at(-1)?.membership !== memberships.join) return []
      const shown = nameIn(world, roomId, userId)
      return shown === name ? [] : [`${userId} is called ${shown} in ${roomId} instead of ${name}`]
    })
  })
}

function hasJoinedSinceNaming(world: World, roomId: string, userId: string): boolean {
  const own = world.people.history.filter((asked) => asked.userId === userId)
  const namedMs = Math.min(...own.flatMap(({ invokedMs, what }) => (what === 'profile' ? invokedMs : [])))
  return own.some(
    ({ endedMs, key, roomId: room, what }) =>
      what === 'member' && room === roomId && key.startsWith('join') && endedMs + lateMs >= namedMs,
  )
}

function nameIn(world: World, roomId: string, userId: string): string | undefined {
  const events = eventsOf(world.server.tables, roomId)
  const eventId = stateOf(events).get(`m.room.member ${userId}`)
  const pdu: unknown = JSON.parse(events.find((event) => event.eventId === eventId)?.json ?? '{}')
  return isJsonObject(pdu) ? stringField(objectField(pdu, 'content') ?? {}, 'displayname') : undefined
}

/** Whoever shares a room all the time is told of new keys before or after they were answered, but told. */
function checkDeviceNews(world: World, asked: Asked, device: World['devices'][number]): void {
  const times = new CommitTimes(world)
  const { tables } = world.server
  const shares = world.rooms.some((roomId) =>
    [asked.userId, parseUserId(device.userId)].every((userId) => {
      const last = membershipChanges(tables, roomId, userId).at(-1)
      return last?.membership === memberships.join && times.of(last) < asked.invokedMs
    }),
  )
  const isTold = device.changedDevices.some(
    ({ atMs, userId }) => userId === asked.userId && atMs >= asked.invokedMs,
  )
  if (shares && !isTold && device.beganMs < asked.invokedMs)
    world.found('devices', `${device.name} was not told of the devices of ${asked.userId}`)
}

/** To be called when new keys have been answered: every room that the user was in all the time has been told. */
export function checkSpread(world: World, asked: Asked): void {
  // Who has lost the user's shard without knowing has nothing on its way to the rooms, and says so.
  if (world.hasGoneBack || isOfTwoOwners(world, asked, asked.userId)) return
  const times = new CommitTimes(world)
  const { tables } = world.server
  for (const roomId of world.rooms) {
    const last = membershipChanges(tables, roomId, asked.userId).at(-1)
    if (last?.membership !== memberships.join || times.of(last) >= asked.invokedMs) continue
    const isTold = logOf(tables, roomId).some(
      (row) =>
        row.kind === logKinds.deviceList &&
        row.body?.includes(asked.userId) === true &&
        times.of(row) >= asked.invokedMs,
    )
    if (!isTold)
      world.found(
        'devices',
        `${roomId} was not told of the devices of ${asked.userId} when that was answered`,
      )
  }
}
