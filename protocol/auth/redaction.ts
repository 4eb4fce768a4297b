/**
 * When a redaction takes effect. Its event and the one that it names can arrive in either order, so the same question is asked when
 * either of them comes. What is left of a redacted event says `redact`. Room versions v1.19, "Handling redactions".
 */
import { serverOf } from '../ids/user-id.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import type { AuthEvent, CheckedEvent, StateLookup } from './auth-event.ts'
import { viewRoom } from './room-view.ts'

/** What has become of an event in the checks on its receipt. */
export type Standing = 'accepted' | 'rejected' | 'soft-failed'

/** An event of the room with its standing. */
export interface StandingEvent<T extends AuthEvent> {
  readonly event: T
  readonly standing: Standing
}

/**
 * What a redaction does.
 * - `applies`: the target is redacted, now and for ever, and the redaction is sent to clients.
 * - `waits`: its target has not come yet. "Otherwise, the server simply waits for a valid partner event to arrive".
 * - `never`: neither is the target redacted nor the redaction sent to clients.
 */
export type RedactionEffect = 'applies' | 'never' | 'waits'

/**
 * What a redaction does to its target, undefined while it has not come. `state` is that before the redaction. "While redactions are always
 * accepted by the authorisation rules for events, they should not be sent to clients until both the redaction event and the event the
 * redaction affects have been received, and can be validated."
 */
export function redactionEffect(
  rules: RoomVersionRules,
  redaction: StandingEvent<CheckedEvent>,
  target: StandingEvent<AuthEvent> | undefined,
  state: StateLookup,
): RedactionEffect {
  const { event } = redaction
  // NOTSPEC: a soft-failed redaction is shown to nobody, so what it does would be seen without it.
  if (redaction.standing !== 'accepted') return 'never'
  if (event.redacts === undefined || event.redacts === event.eventId) return 'never'
  if (target === undefined) return 'waits'
  if (target.event.eventId !== event.redacts || target.event.roomId !== event.roomId) return 'never'
  // NOTSPEC: without its content a create event before version 11 does not say any more which version the room has.
  if (target.event.type === 'm.room.create' || target.standing === 'rejected') return 'never'
  return mayRedact(rules, event, target.event, state) ? 'applies' : 'never'
}

/**
 * Whether a redaction takes effect on its target: the sender may redact, or both are of one server. Asked when both
 * events are there; in versions 1 and 2 the authorisation rules have decided already.
 * Room versions v1.19, "Handling redactions".
 */
export function mayRedact(
  rules: RoomVersionRules,
  redaction: CheckedEvent,
  target: AuthEvent,
  lookup: StateLookup,
): boolean {
  if (rules.redactionInAuthRules) return true
  // "The domain of the redaction event's sender matches that of the original event's sender."
  if (serverOf(redaction.sender) === serverOf(target.sender)) return true
  // "The power level of the redaction event's sender is greater than or equal to the redact level."
  const create = lookup('m.room.create', '')
  if (create === undefined) return false
  const { levels } = viewRoom(rules, create, lookup)
  return levels.userLevel(redaction.sender) >= levels.redact
}
