import type { EventId } from '../ids/event-id.ts'
import type { RoomId } from '../ids/room-id.ts'
import type { UserId } from '../ids/user-id.ts'
import type { JsonObject } from '../json/types.ts'
import { prevEventIds, redactsOf, type Pdu } from '../events/pdu.ts'
import type { RoomVersionRules } from '../versions/rules.ts'

/** What the authorisation rules look at in an event of the state. */
export interface AuthEvent {
  readonly eventId: EventId
  readonly type: string
  /** Absent for an event that is not a state event. */
  readonly stateKey?: string | undefined
  readonly sender: UserId
  /** Absent for the create event of version 12. */
  readonly roomId?: RoomId | undefined
  readonly content: JsonObject
}

/** What the authorisation rules look at in the event that is being judged. */
export interface CheckedEvent extends AuthEvent {
  readonly prevEvents: readonly EventId[]
  /** The target of a redaction, as `redactsOf` finds it. */
  readonly redacts?: string | undefined
}

/** The event of a state under this type and state key, or undefined. Synchronous: fetch first, decide afterwards. */
export type StateLookup = (type: string, stateKey: string) => AuthEvent | undefined

/** The view of an event that the authorisation rules need. */
export function toCheckedEvent(rules: RoomVersionRules, pdu: Pdu, eventId: EventId): CheckedEvent {
  return {
    eventId,
    type: pdu.type,
    stateKey: pdu.state_key,
    sender: pdu.sender,
    roomId: pdu.room_id,
    content: pdu.content,
    prevEvents: prevEventIds(rules, pdu),
    redacts: redactsOf(rules, pdu),
  }
}
