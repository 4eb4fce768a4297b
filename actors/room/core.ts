/**
 * What every part of the room actor works on: the identity of the room, its current state, its tips, and the window of recent events.
 */

import type { EventId } from '#protocol/ids/event-id.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import { MatrixError } from '#protocol/errors.ts'
import { maskText, maskWith, shardOf } from '../runtime/shards.ts'
import { RecentEvents } from './recent.ts'
import type { RoomState, StateEvent } from './state.ts'

/** A forward extremity. */
export interface Tip {
  readonly nid: number
  readonly eventId: EventId
  readonly depth: number
  /** By which the next event refers to it in versions 1 and 2 (`reference-hashes.ts`). */
  readonly referenceHash: string | undefined
}

/** Numbers for new events, a block at a time. */
export interface EventNumbers {
  /** The next number, or undefined when the block is used up: call `refill` then. */
  next(): number | undefined
  /** Takes another block from the database. */
  refill(): Promise<void>
}

export interface RoomIdentity {
  readonly roomId: RoomId
  readonly roomNid: number
  readonly rules: RoomVersionRules
  readonly shardCount: number
}

export class RoomCore {
  readonly roomId: RoomId
  readonly roomNid: number
  readonly rules: RoomVersionRules
  readonly state: RoomState
  readonly recent = new RecentEvents()
  tips: readonly Tip[]
  readonly #shardCount: number
  #userShards: bigint
  #userShardsText: string

  /** `userShards` as in the last row of the room's log. */
  constructor(identity: RoomIdentity, state: RoomState, tips: readonly Tip[], userShards: bigint) {
    this.roomId = identity.roomId
    this.roomNid = identity.roomNid
    this.rules = identity.rules
    this.#shardCount = identity.shardCount
    this.state = state
    this.tips = tips
    this.#userShards = userShards
    this.#userShardsText = maskText(userShards)
  }

  /** The mask of shards that have to look at a row of this room, as the log keeps it. */
  get userShards(): string {
    return this.#userShardsText
  }

  /**
   * Adds a local user's shard to the mask. Nothing takes a shard away again: one that no member needs any more only looks at rows
   * in vain, while counting members by shard would mean to load them all.
   */
  addUserShard(userId: UserId): void {
    const mask = maskWith(this.#userShards, shardOf(userId, this.#shardCount))
    if (mask === this.#userShards) return
    this.#userShards = mask
    this.#userShardsText = maskText(mask)
  }

  /** The create event. Throws as `RoomState.lookup` does. */
  create(): StateEvent {
    const create = this.state.lookup('m.room.create', '')
    if (create === undefined) throw new MatrixError('M_NOT_FOUND', 'The room does not exist on this server.')
    return create
  }
}
