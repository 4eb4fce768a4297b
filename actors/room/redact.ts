/** Redactions. Client-server API v1.19, "Redactions"; what is left of an event is a matter of the room version. */

import { MatrixError } from '#protocol/errors.ts'
import type { RoomView } from '#protocol/auth/room-view.ts'
import { parseStoredPdu } from '#protocol/events/pdu.ts'
import { redact } from '#protocol/events/redact.ts'
import { canonicalJson } from '#protocol/json/canonical.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { StoredEvent } from '#storage/entry.ts'
import { placedEvent } from '#storage/rooms/placed-events.ts'
import type { Batch } from './batch.ts'
import type { EventDraft } from './append.ts'
import type { RoomCore } from './core.ts'
import { joinedView } from './joined-view.ts'
import type { RedactEvent } from './messages.ts'
import type { EventReply, RoomServices } from './services.ts'
import { clientTxn } from './transaction.ts'

/**
 * Redacts an event of the room: one's own, or any with the power to redact. The answer of an earlier request with the same transaction
 * id if there was one. Throws M_NOT_FOUND for an event that the room does not have, M_FORBIDDEN.
 */
export async function redactEvent(
  room: RoomCore,
  services: RoomServices,
  request: RedactEvent,
): Promise<EventReply> {
  const txn = clientTxn(room, 'redact', request)
  const earlier = await services.eventOfTxn(room, txn.key)
  if (earlier !== undefined) return { eventId: earlier }
  // Nobody outside learns which events there are.
  const view = await joinedView(room, request.sender)
  const target = (await placedEvent(services.context.reads, room.roomNid, request.target))?.event
  if (target === undefined) throw new MatrixError('M_NOT_FOUND', 'The room has no such event.')
  checkPower(view, request.sender, target)
  const draft: EventDraft = {
    type: 'm.room.redaction',
    sender: request.sender,
    content: room.rules.redactsInContent ? { ...request.content, redacts: request.target } : request.content,
    ...(room.rules.redactsInContent ? {} : { redacts: request.target }),
    txn,
  }
  const { eventId } = await services.post(room, draft, (batch, nid) =>
    applyRedaction(room, batch, { target, nid }),
  )
  return { eventId }
}

function checkPower(view: RoomView, sender: UserId, target: StoredEvent): void {
  if (target.type === 'm.room.create') {
    throw new MatrixError('M_FORBIDDEN', 'The create event of a room cannot be redacted.')
  }
  if (target.sender !== sender && view.levels.userLevel(sender) < view.levels.redact) {
    throw new MatrixError('M_FORBIDDEN', "Your power level is too low to redact other people's events.")
  }
}

function applyRedaction(room: RoomCore, batch: Batch, what: { target: StoredEvent; nid: number }): void {
  const { target, nid } = what
  if (target.redactedBy !== undefined) return
  const redacted = redact(room.rules, parseStoredPdu(room.rules, target.json))
  const json = canonicalJson(redacted, room.rules.strictCanonicalJson ? 'strict' : 'lax')
  batch.writes.put('event_redaction', { event_nid: target.nid, redacted_by: nid, json })
  batch.writes.put('relation_removal', { room_nid: room.roomNid, event_nid: target.nid })
  room.state.redact(target.nid, redacted.content)
}
