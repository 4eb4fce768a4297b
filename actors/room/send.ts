/** Message events, and state that is set by its own name. Client-server API v1.19, "Sending events to a room". */

import { MatrixError } from '#protocol/errors.ts'
import { isEventId, type EventId } from '#protocol/ids/event-id.ts'
import { stringField } from '#protocol/json/types.ts'
import { relationOf } from '#protocol/relations/relates-to.ts'
import type { ClientTxn, EventDraft } from './append.ts'
import { checkContent } from './content-rules.ts'
import type { RoomCore } from './core.ts'
import { joinedView } from './joined-view.ts'
import { changeMemberContent } from './membership.ts'
import type { RedactEvent, SendEvent, SendState } from './messages.ts'
import { redactEvent } from './redact.ts'
import { checkRelation } from './relations.ts'
import { isSameJson } from './same-json.ts'
import type { EventReply, Posted, RoomServices } from './services.ts'
import { clientTxn } from './transaction.ts'

/**
 * Sends a message event; the event of an earlier request with the same transaction id if there is one.
 * Throws M_FORBIDDEN, M_TOO_LARGE, M_BAD_JSON, M_DUPLICATE_ANNOTATION.
 */
export function sendEvent(
  room: RoomCore,
  services: RoomServices,
  request: SendEvent,
): EventReply | Promise<EventReply> {
  const txn = clientTxn(room, 'send', request)
  const earlier = services.eventOfTxn(room, txn.key)
  if (typeof earlier === 'string') return { eventId: earlier }
  if (
    earlier === undefined &&
    request.type !== 'm.room.redaction' &&
    relationOf(request.content) === undefined
  ) {
    const draft = { type: request.type, sender: request.sender, content: request.content, txn }
    return reply(services.post(room, draft))
  }
  return sendUnusual(room, services, { request, txn, earlier })
}

/** Everything but a plain message that is asked for the first time: what needs to look at other events before. */
async function sendUnusual(
  room: RoomCore,
  services: RoomServices,
  what: { request: SendEvent; txn: ClientTxn; earlier: Promise<EventId | undefined> | undefined },
): Promise<EventReply> {
  const { request, txn } = what
  const earlier = await what.earlier
  if (earlier !== undefined) return { eventId: earlier }
  if (request.type === 'm.room.redaction') return redactEvent(room, services, redactionOf(request))
  const draft: EventDraft = { type: request.type, sender: request.sender, content: request.content, txn }
  await checkRelation(room, services, draft)
  return reply(services.post(room, draft))
}

function redactionOf(request: SendEvent): RedactEvent {
  const target = stringField(request.content, 'redacts')
  if (target === undefined || !isEventId(target)) {
    throw new MatrixError('M_BAD_JSON', 'A redaction names the event to redact in `redacts`.')
  }
  const { redacts: _redacts, ...content } = request.content
  return { sender: request.sender, deviceId: request.deviceId, txnId: request.txnId, target, content }
}

function reply(posted: Posted | Promise<Posted>): EventReply | Promise<EventReply> {
  return posted instanceof Promise ? posted.then(({ eventId }) => ({ eventId })) : { eventId: posted.eventId }
}

/**
 * Sets a state entry. The same content by the same sender is there already: its event is the answer and nothing is written.
 * Throws M_FORBIDDEN, M_TOO_LARGE, M_BAD_JSON, M_BAD_ALIAS.
 */
export async function sendState(
  room: RoomCore,
  services: RoomServices,
  request: SendState,
): Promise<EventReply> {
  const { type, stateKey, sender, content } = request
  const present = await room.state.settle(() => room.state.lookup(type, stateKey))
  if (present !== undefined && present.sender === sender && isSameJson(present.content, content)) {
    return { eventId: present.eventId }
  }
  checkContent(room.rules, request, present?.content)
  // The rules of those versions ask for no membership here, so that anybody could write into any room.
  if (type === 'm.room.aliases' && room.rules.aliasesSpecialCase) await joinedView(room, sender)
  if (type === 'm.room.member') return changeMemberContent(room, services, request)
  const { eventId } = await services.post(room, { type, stateKey, sender, content })
  return { eventId }
}
