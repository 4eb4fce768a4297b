/** What a message may relate to. Client-server API v1.19, "Validation of m.thread relationships", "Annotating events". */

import { parseJson } from '#protocol/json/parse.ts'
import { MatrixError } from '#protocol/errors.ts'
import type { Pdu } from '#protocol/events/pdu.ts'
import { mayBeThreadRoot, relationOf, type Relation } from '#protocol/relations/relates-to.ts'
import { hasAnnotated } from '#storage/rooms/annotations.ts'
import { placedEvent } from '#storage/rooms/placed-events.ts'
import type { EventDraft } from './append.ts'
import type { RoomCore } from './core.ts'
import type { RoomServices } from './services.ts'

/**
 * Throws M_UNKNOWN (400) for a thread that starts at an event which itself relates to another, M_DUPLICATE_ANNOTATION for a reaction that its sender
 * has made already.
 */
export async function checkRelation(
  room: RoomCore,
  services: RoomServices,
  draft: EventDraft,
): Promise<void> {
  const relation = relationOf(draft.content)
  if (relation?.relType === 'm.thread') await checkThreadRoot(room, services, relation)
  if (relation?.relType === 'm.annotation') await checkAnnotation(room, services, { draft, relation })
}

async function checkThreadRoot(room: RoomCore, services: RoomServices, relation: Relation): Promise<void> {
  const root = await placedEvent(services.context.reads, room.roomNid, relation.eventId)
  if (root === undefined) return
  // The cast is sound: the text was written from a Pdu.
  const pdu = parseJson(root.event.json) as Pdu
  if (mayBeThreadRoot(pdu.content)) return
  throw new MatrixError('M_UNKNOWN', 'A thread cannot start at an event that itself relates to another.', {
    status: 400,
  })
}

async function checkAnnotation(
  room: RoomCore,
  services: RoomServices,
  { draft, relation }: { draft: EventDraft; relation: Relation },
): Promise<void> {
  const annotation = {
    roomNid: room.roomNid,
    parentId: relation.eventId,
    sender: draft.sender,
    type: draft.type,
    key: relation.key,
  }
  if (await hasAnnotated(services.context.reads, annotation)) {
    throw new MatrixError('M_DUPLICATE_ANNOTATION', 'You have reacted to this event in this way already.')
  }
}
