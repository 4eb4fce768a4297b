/** What the endpoints that change memberships share. */

import { z } from 'zod'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import type { ChangeMembership } from '#actors/room/messages.ts'
import { memberProfile } from '#storage/rooms/member-profile.ts'
import { askOwnRoom, askRoom, userIdOf, type UserRequest } from './request.ts'

/** The body of everything that one does to another. */
export const targetBody = z.looseObject({ user_id: z.string(), reason: z.string().optional() })

/** The body of everything that one does oneself. */
export const reasonBody = z.looseObject({ reason: z.string().optional() })

type OwnAction = 'join' | 'leave' | 'knock'
type OtherAction = 'invite' | 'kick' | 'ban' | 'unban'

/** `reason` as a part of the request, or nothing. */
function reasonPart(reason: string | undefined): Pick<ChangeMembership, 'reason'> {
  return reason === undefined ? {} : { reason }
}

/** Changes the requester's own membership. Throws what the room's actor throws. */
export async function changeOwnMembership(
  context: UserRequest,
  roomId: RoomId,
  change: { readonly action: OwnAction; readonly body: z.infer<typeof reasonBody> },
): Promise<void> {
  const { userId } = context.requester
  const profile = change.action === 'leave' ? {} : await memberProfile(context.reads, userId)
  await askRoom(context, roomId, 'membership', {
    action: change.action,
    sender: userId,
    target: userId,
    profile,
    ...reasonPart(change.body.reason),
    ...(change.action === 'join' ? { content: customContent(change.body) } : {}),
  })
}

/** What else the client puts into its own member event. Name and picture are those of the profile. */
function customContent(body: z.infer<typeof reasonBody>): JsonObject {
  const { avatar_url: _avatar, displayname: _name, third_party_signed: _signed, ...content } = body
  // The cast is sound: the body was parsed from JSON by the strict grammar of events.
  return content as JsonObject
}

/** Changes the membership of another user. Throws M_FORBIDDEN for a room that does not exist, too. */
export async function changeOtherMembership(
  context: UserRequest,
  roomId: RoomId,
  change: { readonly action: OtherAction; readonly body: z.infer<typeof targetBody> },
): Promise<void> {
  const target = userIdOf(change.body.user_id)
  const profile = change.action === 'invite' ? await memberProfile(context.reads, target) : {}
  await askOwnRoom(context, roomId, 'membership', {
    action: change.action,
    sender: context.requester.userId,
    target,
    profile,
    ...reasonPart(change.body.reason),
  })
}
