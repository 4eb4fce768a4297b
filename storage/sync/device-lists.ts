/**
 * Whose device lists changed for a user between two positions (DESIGN.md §4, "Device lists"): the rows of his rooms' logs, those with
 * whom he came to share a room, and those with whom he shares none any more. Encrypted or not makes no difference.
 */

import type { LogEntry } from '../entry.ts'
import type { Reads } from '../reads.ts'
import { readJoinedUsers, readUsersStillSharing } from './members.ts'
import { readMemberships } from './own.ts'
import { readFacts } from './rooms.ts'
import { UserRooms } from './user-rooms.ts'

export interface DeviceLists {
  readonly changed: readonly string[]
  readonly left: readonly string[]
}

/** What rows of a room's log say of its members. */
export interface MemberNews {
  /** Changes of members and their profiles, ascending. */
  readonly memberRows: readonly LogEntry[]
  /** Whose device lists changed. */
  readonly deviceUsers: readonly string[]
}

export function memberNewsOf(entries: readonly LogEntry[]): MemberNews {
  return {
    memberRows: entries.filter((entry) => entry.membership !== undefined),
    deviceUsers: entries.flatMap(({ body, kind }) => {
      const user = kind === 'deviceList' ? body?.['user'] : undefined
      return typeof user === 'string' ? [user] : []
    }),
  }
}

/**
 * Whose keys look different to a user's own devices by what he did himself: his own, and those of others whom he signed. Carried
 * from his `userDevices` rows, of which all are in one log.
 */
export class OwnKeyChanges {
  readonly #userId: string
  /** User id → position of the last change. */
  readonly #changed = new Map<string, number>()

  constructor(userId: string) {
    this.#userId = userId
  }

  /** Takes up one of the user's own rows, in any order. */
  apply({ body, kind, pos }: LogEntry): void {
    if (kind !== 'userDevices') return
    const users = body?.['users']
    if (!Array.isArray(users)) return this.#add(this.#userId, pos)
    for (const userId of users) if (typeof userId === 'string') this.#add(userId, pos)
  }

  /** The users whose keys changed after a position of the user's own shard. */
  after(pos: number): string[] {
    const users: string[] = []
    for (const [userId, changedAt] of this.#changed) if (changedAt > pos) users.push(userId)
    return users
  }

  #add(userId: string, pos: number): void {
    this.#changed.set(userId, Math.max(this.#changed.get(userId) ?? 0, pos))
  }
}

interface Place {
  readonly roomNid: number
  readonly pos: number
}

export interface DeviceListFacts {
  readonly userId: string
  /** Whose keys changed by what he did himself ({@link OwnKeyChanges}). */
  readonly byHimself: readonly string[]
  /** What happened in the rooms in which he was all the time. */
  readonly steady: readonly MemberNews[]
  /** Rooms that he has come into, at the end. */
  readonly joined: readonly Place[]
  /** Rooms that he has gone from, as they were when he was still there. */
  readonly gone: readonly Place[]
  /** All rooms that he is in at the end. */
  readonly present: () => readonly Place[]
}

const none: DeviceLists = { changed: [], left: [] }

/** Without a statement where nothing of the kind happened. */
export function deviceListsOf(reads: Reads, facts: DeviceListFacts): DeviceLists | Promise<DeviceLists> {
  const changed = new Set<string>(facts.byHimself)
  const candidates = new Set<string>()
  for (const { memberRows, deviceUsers } of facts.steady) {
    for (const userId of deviceUsers) changed.add(userId)
    for (const row of memberRows) sortMember(row, facts.userId, changed, candidates)
  }
  if (candidates.size > 0 || facts.joined.length > 0 || facts.gone.length > 0)
    return lookUp(reads, facts, changed, candidates)
  return changed.size === 0 ? none : { changed: [...changed], left: [] }
}

function sortMember(row: LogEntry, ownId: string, changed: Set<string>, candidates: Set<string>): void {
  const { userId, membership, prevMembership } = row
  if (userId === undefined || userId === ownId || membership === prevMembership) return
  if (membership === 'join') changed.add(userId)
  else if (prevMembership === 'join') candidates.add(userId)
}

async function lookUp(
  reads: Reads,
  facts: DeviceListFacts,
  changed: Set<string>,
  candidates: Set<string>,
): Promise<DeviceLists> {
  const [come, gone] = await Promise.all([
    readJoinedUsers(reads, facts.joined),
    readJoinedUsers(reads, facts.gone),
  ])
  for (const userId of come) if (userId !== facts.userId) changed.add(userId)
  for (const userId of gone) if (userId !== facts.userId) candidates.add(userId)
  const still = await readUsersStillSharing(reads, facts.present(), [...candidates])
  const left = [...candidates].filter((userId) => !still.has(userId))
  for (const userId of left) changed.delete(userId)
  return { changed: [...changed], left }
}

/**
 * Whose device lists changed for the user between two tokens' positions. Client-server API v1.19, `GET /keys/changes`.
 */
export async function deviceListsBetween(
  reads: Reads,
  userId: string,
  range: { readonly from: readonly number[]; readonly to: readonly number[] },
): Promise<DeviceLists> {
  const rooms = new UserRooms()
  const own = new OwnKeyChanges(userId)
  let ownShard = 0
  for (const row of await readMemberships(reads, userId, range.to)) {
    rooms.apply(row)
    own.apply(row)
    if (row.kind === 'userDevices') ownShard = row.shard
  }
  const steady: { roomNid: number; after: number; upTo: number }[] = []
  const joined: Place[] = []
  const gone: Place[] = []
  const present: Place[] = []
  for (const room of rooms.values()) {
    const { roomNid } = room
    const after = range.from[room.shard] ?? 0
    const upTo = range.to[room.shard] ?? 0
    const was = room.membershipAt(after) === 'join'
    const is = room.membershipAt(upTo) === 'join'
    if (is) present.push({ roomNid, pos: upTo })
    if (was && is && !room.changedBetween(after, upTo)) steady.push({ roomNid, after, upTo })
    else if (is) joined.push({ roomNid, pos: upTo })
    else if (was) gone.push({ roomNid, pos: after })
  }
  const facts = await readFacts(reads, steady)
  return deviceListsOf(reads, {
    userId,
    byHimself: own.after(range.from[ownShard] ?? 0),
    steady: steady.map(({ roomNid }) => memberNewsOf(facts.get(roomNid) ?? [])),
    joined,
    gone,
    present: () => present,
  })
}
