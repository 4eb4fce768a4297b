/** Joining, leaving, inviting, and what moderators do. Client-server API v1.19, "Room membership". */

import { membershipIn, viewRoom, joinRuleIn, type RoomView } from '#protocol/auth/room-view.ts'
import { MatrixError } from '#protocol/errors.ts'
import { allowedRoomsOf } from '#protocol/events/read/join-rule.ts'
import { membershipOf, type Membership } from '#protocol/events/read/membership.ts'
import type { EventId } from '#protocol/ids/event-id.ts'
import { isUserId, type UserId } from '#protocol/ids/user-id.ts'
import { objectField, type JsonObject } from '#protocol/json/types.ts'
import { joinedAmong, joinedOfServer } from '#storage/rooms/membership.ts'
import type { RoomCore } from './core.ts'
import type { ChangeMembership, MemberProfile, SendState } from './messages.ts'
import { isSameJson } from './same-json.ts'
import type { EventReply, RoomServices } from './services.ts'
import type { StateEvent } from './state.ts'

type Action = ChangeMembership['action']

const membershipAfter: Readonly<Record<Action, Membership>> = {
  join: 'join',
  leave: 'leave',
  invite: 'invite',
  kick: 'leave',
  ban: 'ban',
  unban: 'leave',
  knock: 'knock',
}

const maxAuthorisers = 50

/**
 * Brings about a membership. Answers without an event id where it was so already.
 * Throws M_FORBIDDEN with the rule's sentence, M_BAD_STATE for the unban of somebody who is not banned.
 */
export async function changeMembership(
  room: RoomCore,
  services: RoomServices,
  request: ChangeMembership,
): Promise<{ eventId?: EventId }> {
  const { action, sender, target } = request
  const { view, present } = await room.state.settle(() => memberView(room, target, sender))
  checkAction(services, view, request)
  const current = present && membershipOf(present.content)
  if (action === 'leave' && current === 'leave') return {}
  const content = contentFor(request)
  if (isAlready(present, sender, content)) return {}
  if (action !== 'join') {
    return reply(await services.post(room, { type: 'm.room.member', stateKey: target, sender, content }))
  }
  const joining = await authorisedJoin(room, services, { view, userId: target, content })
  return reply(
    await services.post(room, { type: 'm.room.member', stateKey: target, sender, content: joining }),
  )
}

/** Sets a membership by its state event, with the content that the client has chosen. Throws as `changeMembership` does. */
export async function changeMemberContent(
  room: RoomCore,
  services: RoomServices,
  request: SendState,
): Promise<EventReply> {
  const { sender, content, stateKey, type } = request
  const target = requireUserId(stateKey)
  const { view } = await room.state.settle(() => memberView(room, target, sender))
  const membership = membershipOf(content)
  if (membership === 'invite') checkInvitable(services, target)
  const { join_authorised_via_users_server: _authoriser, ...own } = content
  const joins = membership === 'join' && target === sender
  const final = joins ? await authorisedJoin(room, services, { view, userId: target, content: own }) : own
  const { eventId } = await services.post(room, { type, stateKey, sender, content: final })
  return { eventId }
}

function reply({ eventId }: { eventId: EventId }): { eventId: EventId } {
  return { eventId }
}

function memberView(
  room: RoomCore,
  target: UserId,
  sender: UserId,
): { view: RoomView; present: StateEvent | undefined } {
  // Everything that is looked up later without `settle` is looked up here first.
  const view = viewRoom(room.rules, room.create(), (type, stateKey) => room.state.lookup(type, stateKey))
  joinRuleIn(view)
  membershipIn(view, sender)
  return { view, present: room.state.lookup('m.room.member', target) }
}

/** What the authorisation rules do not say, or say less well. */
function checkAction(services: RoomServices, view: RoomView, request: ChangeMembership): void {
  const { action, sender, target } = request
  const current = membershipIn(view, target)
  const own = action === 'join' || action === 'leave' || action === 'knock'
  if (own && sender !== target) throw forbidden('Nobody can do this for another.')
  if (!own && membershipIn(view, sender) !== 'join') throw forbidden('You are not in the room.')
  if (action === 'invite') checkInvitable(services, target)
  if (action === 'knock' && !view.rules.knocking)
    throw forbidden('Rooms of this version do not accept knocks.')
  if (action === 'leave' && view.lookup('m.room.member', target) === undefined) {
    throw forbidden('You are not in the room.')
  }
  if (action === 'kick' && !['join', 'invite', 'knock'].includes(current)) {
    throw forbidden('The user is not in the room.')
  }
  if (action === 'unban' && current !== 'ban') throw new MatrixError('M_BAD_STATE', 'The user is not banned.')
}

/** Throws M_FORBIDDEN for users of other servers, whom nothing would reach. */
export function checkInvitable(services: RoomServices, target: UserId): void {
  if (!services.isLocal(target)) {
    throw forbidden('Users of other servers cannot be invited: this server does not federate yet.')
  }
}

function contentFor(request: ChangeMembership): JsonObject {
  const { action, content, isDirect, profile, reason } = request
  const { join_authorised_via_users_server: _authoriser, ...own } = content ?? {}
  const withProfile = action === 'join' || action === 'invite' || action === 'knock'
  return {
    ...own,
    ...(withProfile ? profileContent(profile) : undefined),
    ...(action === 'invite' && isDirect === true ? { is_direct: true } : undefined),
    ...(reason === undefined ? undefined : { reason }),
    membership: membershipAfter[action],
  }
}

/** The fields of a member event that come from a profile. */
export function profileContent(profile: MemberProfile): JsonObject {
  const { avatar_url, displayname } = profile
  return {
    ...(displayname === undefined ? undefined : { displayname }),
    ...(avatar_url === undefined ? undefined : { avatar_url }),
  }
}

function isAlready(present: StateEvent | undefined, sender: UserId, content: JsonObject): boolean {
  if (present === undefined || present.sender !== sender) return false
  const { join_authorised_via_users_server: _authoriser, ...before } = present.content
  return isSameJson(before, content)
}

/**
 * The content of a join, with a member who authorises it where the join rule asks for one and a room that gives the right is
 * among the user's. Throws M_FORBIDDEN.
 */
async function authorisedJoin(
  room: RoomCore,
  services: RoomServices,
  join: { view: RoomView; userId: UserId; content: JsonObject },
): Promise<JsonObject> {
  const { content, userId, view } = join
  const rule = joinRuleIn(view)
  const current = membershipIn(view, userId)
  if (rule !== 'restricted' && rule !== 'knock_restricted') return content
  if (current === 'join' || current === 'invite' || current === 'ban') return content
  const allowed = allowedRoomsOf(view.lookup('m.room.join_rules', '')?.content ?? {})
  const joined = await joinedAmong(services.context.reads, userId, allowed)
  if (joined.length === 0) throw forbidden('You are in none of the rooms whose members may join.')
  const authoriser = await findAuthoriser(room, services, view)
  if (authoriser === undefined) throw forbidden('No member of this server may authorise the join.')
  return { ...content, join_authorised_via_users_server: authoriser }
}

/** A joined local member who may invite. */
async function findAuthoriser(
  room: RoomCore,
  services: RoomServices,
  view: RoomView,
): Promise<UserId | undefined> {
  const levels = view.lookup('m.room.power_levels', '')?.content
  const named = Object.keys((levels && objectField(levels, 'users')) ?? {}).filter(isUserId)
  const likely = [...view.creators, ...named]
    .filter((user) => services.isLocal(user))
    .slice(0, maxAuthorisers)
  const first = await firstWhoMayInvite(room, view, likely)
  if (first !== undefined) return first
  const place = { roomNid: room.roomNid, shard: services.context.shard }
  const options = { server: services.serverName, limit: maxAuthorisers }
  return firstWhoMayInvite(room, view, await joinedOfServer(services.context.reads, place, options))
}

async function firstWhoMayInvite(
  room: RoomCore,
  view: RoomView,
  users: readonly UserId[],
): Promise<UserId | undefined> {
  return room.state.settle(() =>
    users.find(
      (user) => view.levels.userLevel(user) >= view.levels.invite && membershipIn(view, user) === 'join',
    ),
  )
}

function requireUserId(text: string): UserId {
  if (!isUserId(text)) throw new MatrixError('M_BAD_JSON', 'The state key of a membership is a user id.')
  return text
}

function forbidden(why: string): MatrixError {
  return new MatrixError('M_FORBIDDEN', why)
}
