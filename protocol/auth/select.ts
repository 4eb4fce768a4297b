import type { UserId } from '../ids/user-id.ts'
import { field, objectField, stringField, type JsonObject } from '../json/types.ts'
import { membershipOf } from '../events/read/membership.ts'
import type { RoomVersionRules } from '../versions/rules.ts'

/** What the selection of auth events depends on. */
export interface SelectionFields {
  readonly type: string
  readonly stateKey?: string | undefined
  readonly sender: UserId
  readonly content: JsonObject
}

/** A key of the room's state. */
export type StateKey = readonly [type: string, stateKey: string]

/**
 * The state entries that belong into an event's `auth_events`, so far as the room has them. Server-server API v1.19,
 * "Auth events selection".
 */
export function authEventKeys(rules: RoomVersionRules, event: SelectionFields): readonly StateKey[] {
  // "The auth_events for the m.room.create event in a room is empty"
  if (event.type === 'm.room.create') return []
  const keys: StateKey[] = []
  // "Depending on the room version, the m.room.create event." Until v11.
  if (rules.createInAuthEvents) keys.push(['m.room.create', ''])
  keys.push(['m.room.power_levels', ''], ['m.room.member', event.sender])
  if (event.type === 'm.room.member') addMemberKeys(rules, event, keys)
  return keys
}

function addMemberKeys(rules: RoomVersionRules, event: SelectionFields, keys: StateKey[]): void {
  const membership = membershipOf(event.content)
  // "The target's current m.room.member event, if any."
  if (event.stateKey !== undefined) addMember(keys, event.stateKey)
  // "If membership is join, invite or knock, the current m.room.join_rules event, if any."
  if (membership === 'join' || membership === 'invite' || membership === 'knock')
    keys.push(['m.room.join_rules', ''])
  // "If membership is invite and content contains a third_party_invite property, the current m.room.third_party_invite
  // event with state_key matching content.third_party_invite.signed.token, if any."
  if (membership === 'invite') {
    const token = thirdPartyToken(event.content)
    if (token !== undefined) keys.push(['m.room.third_party_invite', token])
  }
  // "If membership is join, content.join_authorised_via_users_server is present, and the room version supports restricted rooms"
  const authoriser = stringField(event.content, 'join_authorised_via_users_server')
  if (membership === 'join' && rules.restrictedJoin && authoriser !== undefined) addMember(keys, authoriser)
}

function addMember(keys: StateKey[], user: string): void {
  if (!keys.some(([type, stateKey]) => type === 'm.room.member' && stateKey === user))
    keys.push(['m.room.member', user])
}

function thirdPartyToken(content: JsonObject): string | undefined {
  const invite = objectField(content, 'third_party_invite')
  const signed = invite && objectField(invite, 'signed')
  const token = signed && field(signed, 'token')
  return typeof token === 'string' ? token : undefined
}
