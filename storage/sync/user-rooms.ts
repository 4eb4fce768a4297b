/**
 * The rooms of one user, carried in memory from his own rows: every change of his membership, so that it is known what he was at
 * any position, and which rooms he has forgotten. It is as good as asking Postgres exactly as far as it has been carried.
 */

import type { RoomId } from '#protocol/ids/room-id.ts'
import type { LogEntry } from '../entry.ts'
import type { Membership } from '../log-kinds.ts'

export interface MembershipChange {
  readonly pos: number
  readonly membership: Membership
  readonly before: Membership | undefined
}

export class UserRoom {
  readonly roomId: RoomId
  readonly roomNid: number
  readonly shard: number
  /** Ascending. */
  readonly changes: MembershipChange[] = []
  /** Membership changes up to this position have been forgotten by the user. */
  forgotten = 0

  constructor(roomId: RoomId, roomNid: number, shard: number) {
    this.roomId = roomId
    this.roomNid = roomNid
    this.shard = shard
  }

  /** What the user was after a position; undefined while he had never been anything. */
  membershipAt(pos: number): Membership | undefined {
    return this.lastChange(pos)?.membership
  }

  /** The position since which he is what he is at `pos`; 0 while he had never been anything. */
  changedAt(pos: number): number {
    return this.lastChange(pos)?.pos ?? 0
  }

  /** Whether his membership changed after one position and up to another, be it forth and back. */
  changedBetween(after: number, upTo: number): boolean {
    const change = this.lastChange(upTo)
    return change !== undefined && change.pos > after
  }

  /** Whether the user has left for good: he forgot the room, and nothing has happened to him there since. */
  isForgotten(pos: number): boolean {
    const change = this.lastChange(pos)
    if (change === undefined || change.pos > this.forgotten) return false
    return change.membership === 'leave' || change.membership === 'ban'
  }

  /** Whether he was joined at any time up to a position. */
  everJoined(upTo: number): boolean {
    return this.changes.some((change) => change.membership === 'join' && change.pos <= upTo)
  }

  /** The change that made him what he is at a position. */
  lastChange(pos: number): MembershipChange | undefined {
    for (let i = this.changes.length - 1; i >= 0; i--) {
      const change = this.changes[i]
      if (change !== undefined && change.pos <= pos) return change
    }
    return undefined
  }
}

export class UserRooms {
  readonly #rooms = new Map<string, UserRoom>()

  get(roomId: string): UserRoom | undefined {
    return this.#rooms.get(roomId)
  }

  values(): Iterable<UserRoom> {
    return this.#rooms.values()
  }

  /** Takes up one of the user's own rows; rows of a shard in ascending order. Returns a room that is new. */
  apply(entry: LogEntry): UserRoom | undefined {
    if (entry.kind === 'forget') this.#forget(entry)
    const { roomId, roomNid, membership, prevMembership } = entry
    if (membership === undefined || membership === prevMembership) return undefined
    if (roomId === undefined || roomNid === undefined) return undefined
    const known = this.#rooms.get(roomId)
    const room = known ?? new UserRoom(roomId, roomNid, entry.shard)
    if ((room.changes.at(-1)?.pos ?? 0) < entry.pos) {
      room.changes.push({ pos: entry.pos, membership, before: prevMembership })
    }
    if (known !== undefined) return undefined
    this.#rooms.set(roomId, room)
    if (this.#forgotten.has(roomId)) room.forgotten = this.#forgotten.get(roomId) ?? 0
    return room
  }

  // A user's own shard may be read before the shard of the room that he forgot.
  readonly #forgotten = new Map<string, number>()

  #forget(entry: LogEntry): void {
    const roomId = entry.body?.['roomId']
    const pos = entry.body?.['pos']
    if (typeof roomId !== 'string' || typeof pos !== 'number') return
    const room = this.#rooms.get(roomId)
    if (room !== undefined) room.forgotten = Math.max(room.forgotten, pos)
    else this.#forgotten.set(roomId, Math.max(this.#forgotten.get(roomId) ?? 0, pos))
  }
}
