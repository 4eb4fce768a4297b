import type { UserId } from '../ids/user-id.ts'
import type { JsonObject } from '../json/types.ts'

/** A state event as those see it who are not in the room. Client-server API v1.19, "Stripped state". */
export interface StrippedEvent {
  readonly type: string
  readonly state_key: string
  readonly sender: UserId
  readonly content: JsonObject
}

/** The state entries that describe a room to somebody invited or knocking, as pairs of type and state key. */
export const strippedStateKeys: readonly (readonly [type: string, stateKey: string])[] = [
  ['m.room.create', ''],
  ['m.room.name', ''],
  ['m.room.avatar', ''],
  ['m.room.topic', ''],
  ['m.room.join_rules', ''],
  ['m.room.canonical_alias', ''],
  ['m.room.encryption', ''],
]

/** The state entries for the stripped state of an invite: those of the room and the membership of the inviter. */
export function strippedKeysForInvite(
  inviter: UserId,
): readonly (readonly [type: string, stateKey: string])[] {
  return [...strippedStateKeys, ['m.room.member', inviter]]
}

/** The stripped form of a state event: sender, type, state key and content, nothing else. */
export function stripEvent(event: StrippedEvent): StrippedEvent {
  return { type: event.type, state_key: event.state_key, sender: event.sender, content: event.content }
}
