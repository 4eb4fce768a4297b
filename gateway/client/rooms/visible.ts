/**
 * What a user may see of a room: the one place where the endpoints ask, by the rule of `protocol/visibility/history.ts`. A room that does not exist is
 * the same to him as one that he may not see.
 */

import { MatrixError } from '#protocol/errors.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { NodeId } from '#protocol/state/trie-node.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import { rulesFor } from '#protocol/versions/table.ts'
import { factsAt, maySeeEvent, type VisibilityTransitions } from '#protocol/visibility/history.ts'
import { shardOf } from '#actors/runtime/shards.ts'
import type { Membership } from '#storage/log-kinds.ts'
import type { Reads } from '#storage/reads.ts'
import { membershipChanges } from '#storage/rooms/membership.ts'
import { forgottenUpTo, roomById, type StandingRoom } from '#storage/rooms/room.ts'
import { rootAt } from '#storage/rooms/rooms.ts'
import { readVisibilityChanges } from '#storage/sync/rooms.ts'

/** A room's state as a user may see it. */
export interface VisibleState {
  readonly root: NodeId
  /** Position up to which the room is seen. */
  readonly pos: number
}

export class RoomSight {
  readonly room: StandingRoom
  readonly rules: RoomVersionRules
  readonly userId: UserId
  readonly #reads: Reads
  readonly #transitions: VisibilityTransitions

  constructor(
    reads: Reads,
    place: { readonly room: StandingRoom; readonly rules: RoomVersionRules; readonly userId: UserId },
    transitions: VisibilityTransitions,
  ) {
    this.#reads = reads
    this.room = place.room
    this.rules = place.rules
    this.userId = place.userId
    this.#transitions = transitions
  }

  /** The user's membership now; undefined while he never had one. */
  get membership(): Membership | undefined {
    return this.#transitions.membership.at(-1)?.value
  }

  /** The user's membership after the row at a position; `leave` before he had one. */
  membershipAt(pos: number): Membership {
    return factsAt(this.#transitions, [pos, 0]).membership.after ?? 'leave'
  }

  /** Whether the user may see the event at a position. */
  maySee(pos: number): boolean {
    return maySeeEvent(factsAt(this.#transitions, [pos, 0]))
  }

  /**
   * The state that the user may read: the present one for members and in world-readable rooms, for those who were in the room the one at
   * their departure. Throws M_FORBIDDEN for everybody else.
   */
  async state(): Promise<VisibleState> {
    const { head, root } = this.room
    const visibility = this.#transitions.visibility.at(-1)?.value ?? 'shared'
    if (this.membership === 'join' || visibility === 'world_readable') return { root, pos: head }
    const pos = this.#departure()
    const then = pos === undefined ? undefined : await rootAt(this.#reads, this.room.roomNid, pos)
    if (pos === undefined || then === undefined) throw notInRoom()
    return { root: then, pos }
  }

  /** Where the user was last seen leaving. */
  #departure(): number | undefined {
    const { membership } = this.#transitions
    const last = membership.findLastIndex((change) => change.value === 'join')
    return last < 0 ? undefined : membership[last + 1]?.at[0]
  }
}

/** The error for a room that is not there, or not for this user. */
export function notInRoom(): MatrixError {
  return new MatrixError('M_FORBIDDEN', 'You are not in the room.')
}

/**
 * What the user may see of a room. Throws M_FORBIDDEN for a room that does not exist here and for one that he has forgotten.
 */
export async function lookInto(
  reads: Reads,
  userId: UserId,
  where: { readonly roomId: RoomId; readonly shardCount?: number },
): Promise<RoomSight> {
  const room = await roomById(reads, where.roomId)
  if (room === undefined) throw notInRoom()
  const rules = rulesFor(room.version)
  if (rules === undefined) throw new Error(`room version ${room.version} is not known`)
  const [changes, visibility] = await Promise.all([
    membershipChanges(reads, room, userId),
    readVisibilityChanges(reads, [room.roomNid]),
  ])
  const last = changes.at(-1)
  if (last !== undefined && (last.membership === 'leave' || last.membership === 'ban')) {
    const user = { userId, shard: shardOf(userId, where.shardCount) }
    if ((await forgottenUpTo(reads, user, where.roomId)) >= last.pos) throw notInRoom()
  }
  return new RoomSight(
    reads,
    { room, rules, userId },
    {
      membership: changes.map((change) => ({ at: [change.pos, 0], value: change.membership })),
      visibility: (visibility.get(room.roomNid) ?? []).map(({ pos, value }) => ({ at: [pos, 0], value })),
    },
  )
}
