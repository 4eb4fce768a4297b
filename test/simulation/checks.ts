/** What must be true when everything has come to rest. RELIABILITY's rules C1 to C9, each by its number. */

import { logKinds } from '#storage/log-kinds.ts'
import { checkAnswers, checkFollowing } from './check-answers.ts'
import type { LogRecord, Row } from './model/tables.ts'
import type { Asked } from './people.ts'
import { eventsOf, membershipOf, stateOf, unreadOf, type LoggedEvent } from './truth.ts'
import { nobodyTypes } from './typing.ts'
import type { World } from './world.ts'

const announcementsMax = 28
/** A pause between two looks at the session rows, their two ways, and some. Milliseconds. */
const sessionsLateMs = 500

/** Looks at everything; what is wrong is told to the world. */
export async function checkAll(world: World): Promise<void> {
  const safety = [
    nothingLost,
    nothingTwice,
    realTimeOrder,
    fenceHistory,
    leasesRight,
    historiesApart,
    gapFree,
    lastKept,
    latestKept,
    noFork,
    roomsRight,
    inboxesRight,
    accountDataRight,
    announcedSeldom,
    sessionsFollowed,
    nobodyTypes,
  ]
  for (const rule of safety) rule(world)
  checkAnswers(world)
  await checkFollowing(world)
}

/** C1: what was acknowledged is in the database, unless the database itself has lost it. */
function nothingLost(world: World): void {
  const { eventIds } = world.server.tables
  for (const asked of world.people.history) {
    for (const eventId of asked.eventIds)
      if (!eventIds.has(eventId) && !world.lostEvents.has(eventId))
        world.found('C1', `${asked.what} ${asked.key} was acknowledged as ${eventId} and is gone`)
    if (asked.outcome === 'open') world.found('liveness', `${asked.what} ${asked.key} has no outcome`)
    if (asked.outcome === 'unknown' && asked.insists)
      world.found('liveness', `${asked.what} ${asked.key} was never answered`)
  }
}

/** C2: one effect for each transaction, and one answer. */
function nothingTwice(world: World): void {
  const { tables } = world.server
  const byKey = Map.groupBy(
    tables.history.flat().filter(({ txnKey }) => txnKey !== null),
    ({ txnKey }) => txnKey,
  )
  for (const [key, rows] of byKey)
    if (rows.length > 1) world.found('C2', `transaction ${key} has ${rows.length} rows`)
  const nids = tables.history.flat().flatMap(({ eventNid }) => eventNid ?? [])
  if (new Set(nids).size < nids.length) world.found('C2', 'an event has two rows in the log')
  for (const asked of world.people.history) {
    const kept = asked.eventIds.filter((eventId) => tables.eventIds.has(eventId))
    if (asked.what === 'send' && new Set(kept).size > 1)
      world.found('C2', `${asked.key} was answered with ${kept.join(' and ')}`)
  }
}

/** C4: what was asked after another was acknowledged comes after it. */
function realTimeOrder(world: World): void {
  for (const roomId of world.rooms) {
    const positions = new Map(
      eventsOf(world.server.tables, roomId).map((event) => [event.eventId, event.record.pos]),
    )
    const sends = world.people.history.filter((asked) => asked.roomId === roomId && asked.what === 'send')
    for (const a of sends)
      for (const b of sends)
        if (isMisplaced(a, b, positions)) world.found('C4', `${b.key} stands before ${a.key}`)
  }
}

function isMisplaced(a: Asked, b: Asked, positions: ReadonlyMap<string, number>): boolean {
  if (a.outcome !== 'done' || a.endedMs >= b.invokedMs) return false
  const before = positions.get(a.eventIds[0] ?? '')
  const after = positions.get(b.eventIds[0] ?? '')
  return before !== undefined && after !== undefined && before > after
}

/** C5: epochs never decrease, and one process alone writes under each. */
function fenceHistory(world: World): void {
  for (const log of world.server.tables.history)
    for (const [i, row] of log.entries())
      if (row.epoch < (log[i - 1]?.epoch ?? 0))
        world.found('C5', `shard ${row.shard}: epoch ${row.epoch} at ${row.pos} after ${log[i - 1]?.epoch}`)
  const writers = new Map<string, string>()
  for (const { process, shards } of world.server.commits) {
    for (const { epoch, rows, shard } of shards) {
      if (rows === 0) continue
      const key = `${shard} ${epoch}`
      const known = writers.getOrInsertComputed(key, () => process.name)
      if (known !== process.name)
        world.found('C5', `${known} and ${process.name} both wrote shard ${shard} under epoch ${epoch}`)
    }
  }
}

/** Leases end once and for all, and nothing stands in the way of a renewal. */
function leasesRight(world: World): void {
  for (const what of new Set(world.server.leases.broken)) world.found('leases', what)
}

/** Whoever finds that his shard stands behind what he wrote begins another history. */
function historiesApart(world: World): void {
  const { foundBehind, tables } = world.server
  if (tables.incarnation === foundBehind)
    world.found('C5', `commits are lost, an owner knows it, and the incarnation is still ${foundBehind}`)
}

/** C6: positions are given as 1, 2, 3 …, whatever of them has been swept. */
function gapFree(world: World): void {
  for (const log of world.server.tables.history)
    for (const [i, row] of log.entries())
      if (row.pos !== i + 1)
        return world.found('C6', `shard ${row.shard}: position ${row.pos} is number ${i + 1}`)
}

/** C6: the last row of a log, by which the next position is given, has not been swept. */
function lastKept(world: World): void {
  const { tables } = world.server
  for (const [shard, log] of tables.history.entries()) {
    const last = log.at(-1)?.pos ?? 0
    if (tables.headOf(shard) !== last)
      world.found('C6', `shard ${shard} was written up to ${last} and ends at ${tables.headOf(shard)}`)
  }
}

/** The row that tells of the latest value of a receipt, or of an item of account data, has not been swept. */
function latestKept(world: World): void {
  const { tables } = world.server
  const look = (row: Row, kind: number, records: readonly LogRecord[] = []): void => {
    const isThere = records.some((record) => record.kind === kind && record.pos === row['pos'])
    if (!isThere) world.found('sweep', `nothing in the log tells of ${JSON.stringify(row)}`)
  }
  for (const row of tables.all('receipt'))
    look(row, logKinds.receipt, tables.byRoom.get(Number(row['room_nid'])))
  for (const row of tables.all('account_data'))
    look(row, logKinds.accountData, tables.byUser.get(String(row['user_id'])))
}

/** C7: in a room of local users every event stands on the one before it. */
function noFork(world: World): void {
  for (const roomId of world.rooms) {
    const events = eventsOf(world.server.tables, roomId)
    for (const [i, event] of events.entries()) {
      // The cast states what a stored event has.
      const pdu = JSON.parse(event.json) as {
        readonly depth: number
        readonly prev_events: readonly string[]
      }
      const before = events[i - 1]
      const expected = before === undefined ? [] : [before.eventId]
      if (pdu.prev_events.join() !== expected.join() || pdu.depth !== i + 1)
        world.found(
          'C7',
          `${roomId}: event ${i} at depth ${pdu.depth} stands on ${pdu.prev_events.join()} instead of ${expected.join()}`,
        )
    }
  }
}

/** C3, C8, C9: every client knows of every room what the log says. */
function roomsRight(world: World): void {
  const { tables } = world.server
  for (const device of world.devices) {
    for (const roomId of world.rooms) {
      const membership = membershipOf(tables, roomId, device.userId)
      const known = device.joined.get(roomId)
      if ((known !== undefined) !== (membership === 'join'))
        world.found(
          'C8',
          `${device.name} thinks that he ${known ? 'is' : 'is not'} in ${roomId}, and is "${membership}"`,
        )
      if (device.invited.has(roomId) !== (membership === 'invite'))
        world.found('C8', `${device.name} is wrong about an invitation to ${roomId}, and is "${membership}"`)
      if (known === undefined || membership !== 'join') continue
      const events = eventsOf(tables, roomId)
      if (known.lastIndex !== events.length - 1)
        world.found('C3', `${device.name} knows ${roomId} up to ${known.lastIndex} of ${events.length - 1}`)
      compareStates(world, `${device.name} in ${roomId}`, known.state, events)
      const unread = unreadOf(tables, roomId, device.userId)
      if (known.unread !== unread)
        world.found('C9', `${device.name} has ${known.unread} unread in ${roomId} instead of ${unread}`)
      compareReceipts(world, device, roomId)
    }
  }
}

function compareStates(
  world: World,
  who: string,
  known: ReadonlyMap<string, string>,
  events: readonly LoggedEvent[],
): void {
  const state = stateOf(events)
  for (const [key, eventId] of state)
    if (known.get(key) !== eventId)
      world.found('C8', `${who}: ${key} is ${known.get(key)} instead of ${eventId}`)
  for (const key of known.keys()) if (!state.has(key)) world.found('C8', `${who}: ${key} does not exist`)
}

function compareReceipts(world: World, device: World['devices'][number], roomId: string): void {
  const { tables } = world.server
  const roomNid = tables.roomIds.get(roomId)
  for (const row of tables.all('receipt')) {
    if (row['room_nid'] !== roomNid) continue
    const userId = String(row['user_id'])
    const known = device.joined.get(roomId)?.receipts.get(userId)
    if (known !== row['event_id'])
      world.found(
        'receipts',
        `${device.name}: ${userId} has read ${String(row['event_id'])} in ${roomId}, not ${known}`,
      )
  }
}

/** C9: every to-device message that was acknowledged reached each device once. */
function inboxesRight(world: World): void {
  const lost = world.server.lost.length > 0
  for (const asked of world.people.history) {
    if (asked.what !== 'toDevice' || asked.outcome !== 'done') continue
    for (const device of world.devices) {
      if (device.userId !== asked.userId || device.inbox.has(Number(asked.key))) continue
      if (!lost) world.found('C9', `${device.name} never had message ${asked.key}`)
    }
  }
}

/** Heads are announced at most twenty times a second, and a few times again after each reconnection. */
function announcedSeldom(world: World): void {
  for (const [key, times] of world.network.published) {
    if (!key.includes(' log.')) continue
    const isOften = times.some((atMs, i) => atMs - (times[i - announcementsMax] ?? -Infinity) < 1000)
    if (isOften) world.found('announcements', `${key}: more than ${announcementsMax} within a second`)
  }
}

/** Whoever keeps sessions goes on looking at their rows, whatever has failed before. */
function sessionsFollowed(world: World): void {
  for (const { process, sessions } of world.entrances) {
    const lateMs = process.clock.monotonic() - sessions.rows.seenAtMonotonicMs()
    if (lateMs > sessionsLateMs)
      world.found('sessions', `${process.name} has not looked at the session rows for ${lateMs} ms`)
  }
}

function accountDataRight(world: World): void {
  for (const device of world.devices) {
    const stored = world.server.tables.get('account_data', device.userId, '', 'sim.data')
    const content = stored === undefined ? undefined : String(stored['content'])
    const known = device.accountData.get('sim.data')
    if ((known && JSON.stringify(known)) !== content)
      world.found('account data', `${device.name} has ${JSON.stringify(known)} instead of ${content}`)
  }
}
