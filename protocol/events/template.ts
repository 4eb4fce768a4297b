/**
 * The template of a membership event that a server in a room makes for one that is not in it. The event that is built and signed after it
 * is made of this server's own fields: of the template nothing is taken but the references, the depth and who authorises a restricted
 * join, so that nobody gets a signature on what he thinks up. Server-server API v1.19, "Joining Rooms".
 */
import type { EventId } from '../ids/event-id.ts'
import type { RoomId } from '../ids/room-id.ts'
import type { ServerName } from '../ids/server-name.ts'
import { isUserId, serverOf, type UserId } from '../ids/user-id.ts'
import { maxInteger } from '../json/limits.ts'
import {
  field,
  isJsonObject,
  objectField,
  stringField,
  type JsonArray,
  type JsonObject,
  type JsonValue,
} from '../json/types.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import type { EventFields } from './build.ts'
import { authEventIds, checkFormat, prevEventIds } from './pdu.ts'

/** What was asked for. */
export interface TemplateRequest {
  readonly membership: 'join' | 'knock' | 'leave'
  readonly roomId: RoomId
  readonly userId: UserId
  /** The server that was asked. */
  readonly resident: ServerName
}

/** What this server puts into the event. */
export interface OwnMembership {
  /** Display name, avatar, reason; `membership` is added. */
  readonly content: JsonObject
  /** In milliseconds since the epoch. */
  readonly originServerTs: number
  /** The id of the event, in versions 1 and 2. */
  readonly eventId?: EventId
}

/**
 * The fields of the event after a template, or undefined if the template is not what was asked for: "In case any of the above checks
 * fail, the response MUST be treated as malformed and discarded."
 */
export function fieldsFromTemplate(
  rules: RoomVersionRules,
  template: JsonValue,
  request: TemplateRequest,
  own: OwnMembership,
): EventFields | undefined {
  if (!isJsonObject(template) || !isAsAsked(template, request)) return undefined
  const content = objectField(template, 'content') ?? {}
  const authoriser = field(content, authoriserKey)
  const names = rules.restrictedJoin && request.membership === 'join' && authoriser !== undefined
  // "An arbitrary user ID belonging to the resident server in the room being joined".
  if (names && !isUserOf(authoriser, request.resident)) return undefined
  const references = referencesIn(rules, template, request, own)
  return (
    references && {
      type: 'm.room.member',
      stateKey: request.userId,
      sender: request.userId,
      roomId: request.roomId,
      content: {
        ...own.content,
        ...(names ? { [authoriserKey]: authoriser } : {}),
        membership: request.membership,
      },
      originServerTs: own.originServerTs,
      ...references,
    }
  )
}

const authoriserKey = 'join_authorised_via_users_server'

function isUserOf(value: JsonValue, server: ServerName): boolean {
  return typeof value === 'string' && isUserId(value) && serverOf(value) === server
}

/** "The joining server MUST also verify that the `type`, `room_id`, `sender`, `state_key` and `content.membership` fields have the expected values." */
function isAsAsked(template: JsonObject, { membership, roomId, userId }: TemplateRequest): boolean {
  return (
    stringField(template, 'type') === 'm.room.member' &&
    stringField(template, 'room_id') === roomId &&
    stringField(template, 'sender') === userId &&
    stringField(template, 'state_key') === userId &&
    stringField(objectField(template, 'content') ?? {}, 'membership') === membership
  )
}

type References = Pick<EventFields, 'authEvents' | 'depth' | 'explicitId' | 'prevEvents'>

function referencesIn(
  rules: RoomVersionRules,
  template: JsonObject,
  request: TemplateRequest,
  own: OwnMembership,
): References | undefined {
  const form = checkFormat(rules, {
    type: 'm.room.member',
    state_key: request.userId,
    sender: request.userId,
    room_id: request.roomId,
    content: {},
    origin_server_ts: own.originServerTs,
    hashes: { sha256: '' },
    signatures: {},
    ...(own.eventId === undefined ? {} : { event_id: own.eventId }),
    prev_events: field(template, 'prev_events') ?? null,
    auth_events: field(template, 'auth_events') ?? null,
    depth: field(template, 'depth') ?? null,
  })
  if (!form.ok) return undefined
  const { pdu } = form
  const prevEvents = prevEventIds(rules, pdu)
  const authEvents = authEventIds(rules, pdu)
  const depth = Math.min(pdu.depth, maxInteger)
  if (own.eventId === undefined) return { prevEvents, authEvents, depth }
  const referenceHashes = hashesIn(pdu.prev_events, pdu.auth_events)
  if (![...prevEvents, ...authEvents].every((id) => referenceHashes.has(id))) return undefined
  return { prevEvents, authEvents, depth, explicitId: { eventId: own.eventId, referenceHashes } }
}

/** The hashes in the references of versions 1 and 2, which are pairs of id and hashes. */
function hashesIn(...lists: readonly JsonArray[]): ReadonlyMap<EventId, string> {
  const pairs = lists.flat().flatMap((ref): [EventId, string][] => {
    const [id, hashes] = Array.isArray(ref) ? ref : []
    const sha256 = isJsonObject(hashes) ? stringField(hashes, 'sha256') : undefined
    // The cast is sound: checkFormat has seen the ids.
    return sha256 === undefined ? [] : [[id as EventId, sha256]]
  })
  return new Map(pairs)
}
