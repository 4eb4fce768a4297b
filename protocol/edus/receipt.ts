import { isEventId, type EventId } from '../ids/event-id.ts'
import { isRoomId, type RoomId } from '../ids/room-id.ts'
import type { UserId } from '../ids/user-id.ts'
import {
  field,
  isJsonObject,
  objectField,
  stringField,
  type JsonObject,
  type JsonValue,
} from '../json/types.ts'
import { isUserOf, type EduRoute } from './edu-route.ts'

/** Up to where somebody has read a room. */
export interface ReadReceipt {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly eventId: EventId
  /** When he read it, in milliseconds since the epoch, as his server says. */
  readonly ts: number
  /** `main`, or the root of the thread that the receipt is for; undefined for an unthreaded one. */
  readonly threadId: EventId | 'main' | undefined
}

/** Receipts of users of the sending server. Those of a room whose access control list denies the sender are to be ignored. */
export interface Receipts {
  readonly kind: 'receipts'
  readonly receipts: readonly ReadReceipt[]
}

/**
 * The content of an `m.receipt`: of its `m.read` receipts those that are well formed and of users of the sending server. There is no
 * other kind that is sent between servers. Server-server API v1.19, "Receipts".
 */
export function readReceipts(content: JsonObject, route: EduRoute): Receipts {
  const receipts = Object.entries(content).flatMap(([roomId, byKind]) => {
    const readers = isJsonObject(byKind) ? objectField(byKind, 'm.read') : undefined
    if (!isRoomId(roomId) || readers === undefined) return []
    return Object.entries(readers).flatMap(
      ([userId, receipt]) => readOne(roomId, userId, receipt, route) ?? [],
    )
  })
  return { kind: 'receipts', receipts }
}

function readOne(
  roomId: RoomId,
  userId: string,
  receipt: JsonValue,
  route: EduRoute,
): ReadReceipt | undefined {
  if (!isJsonObject(receipt) || !isUserOf(route.origin, userId)) return undefined
  const data = objectField(receipt, 'data')
  const eventId = onlyEventId(field(receipt, 'event_ids'))
  const ts = data && field(data, 'ts')
  if (eventId === undefined || typeof ts !== 'number' || !Number.isSafeInteger(ts)) return undefined
  const threadId =
    data && Object.hasOwn(data, 'thread_id') ? (stringField(data, 'thread_id') ?? '') : undefined
  if (threadId !== undefined && threadId !== 'main' && !isEventId(threadId)) return undefined
  return { roomId, userId, eventId, ts, threadId }
}

/** "The extremity event IDs that the user has read up to", which are exactly one. */
function onlyEventId(list: JsonValue | undefined): EventId | undefined {
  const [first, another] = Array.isArray(list) ? list : []
  return typeof first === 'string' && another === undefined && isEventId(first) ? first : undefined
}
