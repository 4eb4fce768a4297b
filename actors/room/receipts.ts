/** Read receipts. Client-server API v1.19, "Receipts": one for each user, kind and thread, and it moves forward only. */

import { MatrixError } from '#protocol/errors.ts'
import { membershipOf } from '#protocol/events/read/membership.ts'
import type { EventId } from '#protocol/ids/event-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import { placedEvent } from '#storage/rooms/placed-events.ts'
import type { ReceiptBody } from '#storage/rooms/receipt-body.ts'
import { readReceiptsOfUser } from '#storage/rooms/receipts.ts'
import type { RoomCore } from './core.ts'
import type { SetReceipt } from './messages.ts'
import type { RoomServices } from './services.ts'

const userLimit = 2000

/** Up to which event each user has read, for those who were active of late. */
export class ReceiptPositions {
  /** By user, then kind and thread. */
  readonly #users = new Map<string, Map<string, number>>()

  /** The positions of one user, by `receiptKey`. */
  async of(services: RoomServices, room: RoomCore, userId: UserId): Promise<Map<string, number>> {
    const known = this.#users.get(userId)
    if (known !== undefined) return known
    const positions = new Map<string, number>()
    for (const receipt of await readReceiptsOfUser(services.context.reads, userId, [room.roomNid])) {
      positions.set(receiptKey(receipt.receiptType, receipt.threadId), receipt.eventPos)
    }
    if (this.#users.size >= userLimit) this.#dropHalf()
    this.#users.set(userId, positions)
    return positions
  }

  /** Drops the users who have been known longest. What they had is durable or will be before anybody is answered. */
  #dropHalf(): void {
    let left = this.#users.size / 2
    for (const userId of this.#users.keys()) {
      if (left-- <= 0) return
      this.#users.delete(userId)
    }
  }
}

function receiptKey(receiptType: string, threadId: string): string {
  return `${receiptType} ${threadId}`
}

/**
 * Moves a receipt to an event, if that comes after the one it stands at. Throws M_FORBIDDEN for users who are not in the room, M_NOT_FOUND for an
 * event that the room does not have.
 */
export async function setReceipt(
  room: RoomCore,
  services: RoomServices,
  what: { request: SetReceipt; positions: ReceiptPositions },
): Promise<Record<string, never>> {
  const { positions, request } = what
  const { eventId, receiptType, threadId, ts, userId } = request
  const member = await room.state.settle(() => room.state.lookup('m.room.member', userId))
  if (member === undefined || membershipOf(member.content) !== 'join') {
    throw new MatrixError('M_FORBIDDEN', 'You are not in the room.')
  }
  const eventPos = await positionOf(room, services, eventId)
  if (eventPos === undefined) throw new MatrixError('M_NOT_FOUND', 'The room has no such event.')
  const own = await positions.of(services, room, userId)
  const key = receiptKey(receiptType, threadId)
  if ((own.get(key) ?? -1) >= eventPos) return {}
  own.set(key, eventPos)
  putReceipt(room, services, { userId, receiptType, threadId, eventId, ts, eventPos })
  return {}
}

async function positionOf(
  room: RoomCore,
  services: RoomServices,
  eventId: EventId,
): Promise<number | undefined> {
  return (
    room.recent.positionOf(eventId) ?? (await placedEvent(services.context.reads, room.roomNid, eventId))?.pos
  )
}

function putReceipt(room: RoomCore, services: RoomServices, receipt: ReceiptBody): void {
  const batch = services.batch()
  const row = {
    kind: 'receipt',
    roomNid: room.roomNid,
    // A private receipt concerns nobody but its user.
    ...(receipt.receiptType === 'm.read.private' ? { userId: receipt.userId } : undefined),
  } as const
  const body = { ...receipt }
  const pos = batch.append({ ...row, body: JSON.stringify(body) }, { ...row, roomId: room.roomId, body })
  batch.writes.put('receipt', {
    room_nid: room.roomNid,
    user_id: receipt.userId,
    receipt_type: receipt.receiptType,
    thread_id: receipt.threadId,
    event_id: receipt.eventId,
    ts: receipt.ts,
    pos,
    event_pos: receipt.eventPos,
  })
  services.decide(batch)
}
