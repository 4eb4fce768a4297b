/** Rooms for tests, made as the gateway makes them. */

import { buildCreateEvent } from '#actors/room/create-event.ts'
import type { CreateRoom, NewState } from '#actors/room/messages.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { parseUserId, type UserId } from '#protocol/ids/user-id.ts'
import { rulesFor } from '#protocol/versions/table.ts'

export interface RoomPlan {
  readonly creator: UserId
  readonly version?: string
  readonly joinRule?: string
  readonly state?: readonly NewState[]
  readonly invites?: readonly UserId[]
  /** The room that it replaces. */
  readonly predecessor?: RoomId
  /** Milliseconds; two plans with different times make different rooms. */
  readonly at?: number
}

/** The request that makes a room: public unless another join rule is given. */
export function createRequest(plan: RoomPlan): CreateRoom {
  const version = plan.version ?? '12'
  const rules = rulesFor(version)
  if (rules === undefined) throw new Error(`no room version ${version}`)
  const originServerTs = plan.at ?? 1_700_000_000_000
  const createContent = {
    room_version: version,
    ...(rules.creatorIsSender ? {} : { creator: plan.creator }),
    ...(plan.predecessor === undefined ? {} : { predecessor: { room_id: plan.predecessor } }),
  }
  const named = rules.roomIdIsCreateHash ? undefined : (`!made${originServerTs}:test.local` as RoomId)
  const fields = { sender: plan.creator, content: createContent, originServerTs, roomId: named }
  const { roomId } = buildCreateEvent(rules, fields)
  const users = rules.privilegedCreators ? {} : { [plan.creator]: 100 }
  return {
    version,
    roomId,
    sender: plan.creator,
    createContent,
    originServerTs,
    profile: { displayname: 'Creator' },
    state: [
      { type: 'm.room.power_levels', stateKey: '', content: { users } },
      { type: 'm.room.join_rules', stateKey: '', content: { join_rule: plan.joinRule ?? 'public' } },
      { type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: 'shared' } },
      ...(plan.state ?? []),
    ],
    invites: (plan.invites ?? []).map((userId) => ({ userId, profile: {}, isDirect: false })),
  }
}

export const alice = parseUserId('@alice:test.local')
export const bob = parseUserId('@bob:test.local')
export const carol = parseUserId('@carol:test.local')
