/**
 * What rooms of versions 1 and 2 need beyond the others. Their events refer to others by pairs of id and reference hash, and the id is chosen and
 * does not follow from the event. So what the room holds of an event that may be referred to, a tip or an entry of the state, carries the
 * hash. In all other versions it is undefined, and nothing is computed. Room versions v1.19, version 1, "Event format".
 */

import type { BuiltEvent, ExplicitId } from '#protocol/events/build.ts'
import { referenceHash, sha256Base64 } from '#protocol/events/hash.ts'
import type { Pdu } from '#protocol/events/pdu.ts'
import { makeEventId, type EventId } from '#protocol/ids/event-id.ts'
import { serverOfRoomId, type RoomId } from '#protocol/ids/room-id.ts'
import { serverOf, type UserId } from '#protocol/ids/user-id.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import type { Random } from '../runtime/clock.ts'

/** The number of random bytes in a chosen event id; no other event of this server has the same. */
const opaqueBytes = 18

/** An event that another one refers to. */
interface Referred {
  readonly eventId: EventId
  readonly referenceHash: string | undefined
}

/** A new id for an event of a local user, or undefined where ids are not chosen. */
export function chooseEventId(
  rules: RoomVersionRules,
  sender: UserId,
  random: Pick<Random, 'bytes'>,
): EventId | undefined {
  if (rules.eventIdFormat !== 'v1') return undefined
  return makeEventId(Buffer.from(random.bytes(opaqueBytes)).toString('base64url'), serverOf(sender))
}

/**
 * The id of a room's create event, or undefined where ids are not chosen. It has the opaque part of the room id, so that whoever asks for the
 * room and the room's actor, or the same request repeated, come to the same event.
 */
export function createEventId(rules: RoomVersionRules, roomId: RoomId | undefined): EventId | undefined {
  if (rules.eventIdFormat !== 'v1' || roomId === undefined) return undefined
  const server = serverOfRoomId(roomId)
  if (server === undefined) return undefined
  return makeEventId(roomId.slice(1, roomId.length - server.length - 1), server)
}

/** The reference hash of an event that was just built, or undefined where nothing refers to events by it. */
export function hashOfBuilt(rules: RoomVersionRules, built: BuiltEvent): string | undefined {
  return rules.eventIdFormat === 'v1' ? sha256Base64(built.reference) : undefined
}

/** The reference hash of a stored event, redacted or not, or undefined where nothing refers to events by it. */
export function hashOfStored(rules: RoomVersionRules, pdu: Pdu): string | undefined {
  return rules.eventIdFormat === 'v1' ? referenceHash(rules, pdu) : undefined
}

/** The chosen id of an event together with the hashes of those that it refers to, as `buildEvent` takes them. */
export function explicitIdOf(eventId: EventId, referred: readonly Referred[]): ExplicitId {
  const referenceHashes = new Map<EventId, string>()
  for (const event of referred) {
    if (event.referenceHash !== undefined) referenceHashes.set(event.eventId, event.referenceHash)
  }
  return { eventId, referenceHashes }
}
