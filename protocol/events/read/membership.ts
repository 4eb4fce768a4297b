import { stringField, type JsonObject } from '../../json/types.ts'

/** The memberships that a user can have in a room. Client-server API v1.19, `m.room.member`. */
export type Membership = 'ban' | 'invite' | 'join' | 'knock' | 'leave'

const memberships: ReadonlySet<string> = new Set<Membership>(['ban', 'invite', 'join', 'knock', 'leave'])

/** True for the name of a membership. */
export function isMembership(text: string): text is Membership {
  return memberships.has(text)
}

/** The membership that the content of an `m.room.member` event states, or undefined if it states none that is known. */
export function membershipOf(content: JsonObject): Membership | undefined {
  const membership = stringField(content, 'membership')
  return membership !== undefined && isMembership(membership) ? membership : undefined
}

/** The display name in the content of an `m.room.member` event, if it is a string. */
export function displayNameOf(content: JsonObject): string | undefined {
  return stringField(content, 'displayname')
}
