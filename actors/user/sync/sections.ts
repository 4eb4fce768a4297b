/** Which of a user's rooms go into which section of a response, and from where on each is told. */

import type { SyncToken } from '#protocol/tokens/sync-token.ts'
import type { RoomAsk } from './from-database.ts'
import type { SyncPlan } from './request.ts'
import type { UserRoom, UserRooms } from '#storage/sync/user-rooms.ts'

export interface Sections {
  /** In the room at both ends and all the time between. */
  readonly steady: readonly RoomAsk[]
  /** In the room now, and not all the time: told as if seen for the first time. */
  readonly fresh: readonly RoomAsk[]
  readonly left: readonly LeftAsk[]
  readonly invited: readonly { readonly room: UserRoom; readonly pos: number }[]
  readonly knocked: readonly { readonly room: UserRoom; readonly pos: number }[]
}

export interface LeftAsk extends RoomAsk {
  /** Where the user was joined when the range begins: what changed since is told, otherwise all. */
  readonly wasIn: boolean
  /** He was not in the room before he left it: an invite refused, a ban lifted. All that he may see is that row. */
  readonly wasOutside: boolean
}

interface Range {
  readonly since: SyncToken | undefined
  readonly heads: readonly number[]
}

export function sectionsOf(rooms: UserRooms, plan: SyncPlan, range: Range): Sections {
  const steady: RoomAsk[] = []
  const fresh: RoomAsk[] = []
  const left: LeftAsk[] = []
  const invited: { room: UserRoom; pos: number }[] = []
  const knocked: { room: UserRoom; pos: number }[] = []
  for (const room of rooms.values()) {
    if (!plan.filter.wantsRoom(room.roomId)) continue
    const upTo = range.heads[room.shard] ?? 0
    const after = range.since?.positions[room.shard] ?? 0
    const changed = range.since === undefined || room.changedBetween(after, upTo)
    switch (room.membershipAt(upTo)) {
      case 'join':
        if (changed) fresh.push({ room, mode: 'fresh', after: 0, upTo })
        else steady.push({ room, mode: 'steady', after, upTo })
        break
      case 'invite':
        if (changed) invited.push({ room, pos: room.changedAt(upTo) })
        break
      case 'knock':
        if (changed) knocked.push({ room, pos: room.changedAt(upTo) })
        break
      case 'leave':
      case 'ban':
        if (changed && tellsLeft(room, plan, range, upTo)) left.push(leftAsk(room, range, upTo))
        break
      case undefined:
        break
    }
  }
  return { steady, fresh, left, invited, knocked }
}

/** Rooms left before the first sync are told only where they are wanted; a token that means nothing here gets their names too. */
function tellsLeft(room: UserRoom, plan: SyncPlan, range: Range, upTo: number): boolean {
  // NOTSPEC: "forget" keeps a room out of every sync; but a leave that is forgotten at once is told to each device once, or those that
  // did not ask for it would show the room for ever.
  if (range.since !== undefined) return true
  if (room.isForgotten(upTo)) return false
  return (plan.filter.includeLeave || plan.since !== undefined) && room.everJoined(upTo)
}

function leftAsk(room: UserRoom, range: Range, upTo: number): LeftAsk {
  const change = room.lastChange(upTo)
  const pos = change?.pos ?? upTo
  if (change?.before !== 'join')
    return { room, mode: 'left', after: pos - 1, upTo: pos, wasIn: false, wasOutside: true }
  const after = range.since?.positions[room.shard] ?? 0
  // In a room that he came into and left again since, he is told what he may see of all of it.
  const wasIn = range.since !== undefined && room.membershipAt(after) === 'join'
  return { room, mode: 'left', after: wasIn ? after : 0, upTo: pos, wasIn, wasOutside: false }
}
