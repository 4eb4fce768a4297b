import type { RoomVersionRules } from '../versions/rules.ts'
import type { AuthEvent, CheckedEvent } from './auth-event.ts'
import { authEventKeys } from './select.ts'
import { allow, reject, type Verdict } from './verdict.ts'

/** An event that another one names among its auth events. */
export interface ListedEvent extends AuthEvent {
  /** True if this server has rejected it. */
  readonly rejected: boolean
}

/**
 * Judges the list of an event's auth events, apart from what they say.
 * Room versions v1.19, authorisation rule 3 (2 in v1 to v11), "Considering the event's auth_events".
 */
export function checkAuthEventsList(
  rules: RoomVersionRules,
  event: CheckedEvent,
  authEvents: readonly ListedEvent[],
): Verdict {
  // The create event is judged before this rule, and its selection is empty.
  if (event.type === 'm.room.create') return allow
  const expected = new Set(authEventKeys(rules, event).map(([type, stateKey]) => keyOf(type, stateKey)))
  const seen = new Set<string>()
  for (const listed of authEvents) {
    const key = listed.stateKey === undefined ? undefined : keyOf(listed.type, listed.stateKey)
    // "If there are entries whose type and state_key don't match those specified by the auth events selection, reject."
    if (key === undefined || !expected.has(key)) return unexpected(listed)
    // "If there are duplicate entries for a given type and state_key pair, reject."
    if (seen.has(key)) return reject('auth_events.duplicate', `Two auth events are ${listed.type}.`)
    seen.add(key)
    // "If there are entries which were themselves rejected under the checks performed on receipt of a PDU, reject."
    if (listed.rejected)
      return reject('auth_events.rejected', `The auth event ${listed.eventId} has been rejected.`)
    // "If any event in auth_events has a room_id which does not match that of the event being authorised, reject."
    if (listed.roomId !== event.roomId)
      return reject('auth_events.other_room', `${listed.eventId} is of another room.`)
  }
  // "If there is no m.room.create event among the entries, reject." v1-v11.
  if (rules.createInAuthEvents && !seen.has(keyOf('m.room.create', ''))) {
    return reject('auth_events.no_create', 'The create event is not among the auth events.')
  }
  return allow
}

function unexpected(listed: AuthEvent): Verdict {
  return reject('auth_events.unexpected', `${listed.type} does not belong into the auth events.`)
}

function keyOf(type: string, stateKey: string): string {
  return JSON.stringify([type, stateKey])
}
