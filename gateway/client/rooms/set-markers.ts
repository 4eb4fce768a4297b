/** Receipts and the fully-read marker, for the two endpoints that set them. */

import { MatrixError } from '#protocol/errors.ts'
import { parseEventId, type EventId } from '#protocol/ids/event-id.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { relationOf, type Relation } from '#protocol/relations/relates-to.ts'
import { contentOf } from '#storage/rooms/aggregations.ts'
import { placedEvent, type PlacedEvent } from '#storage/rooms/placed-events.ts'
import type { Reads } from '#storage/reads.ts'
import { askOwnRoom, type UserRequest } from './request.ts'
import { lookInto, notInRoom, type RoomSight } from './visible.ts'

/** Relations that are followed to the thread of an event. */
const maxHops = 3

/** Moves a read receipt. `threadId` is '' for an unthreaded one. Throws what the room's actor throws, M_INVALID_PARAM. */
export async function setReceipt(
  context: UserRequest,
  roomId: RoomId,
  receipt: { receiptType: 'm.read' | 'm.read.private'; threadId: string; eventId: string },
): Promise<void> {
  const eventId = parseEventId(receipt.eventId)
  const { userId } = context.requester
  if (receipt.threadId !== '') await checkThread(context, roomId, { eventId, threadId: receipt.threadId })
  await askOwnRoom(context, roomId, 'receipt', {
    userId,
    receiptType: receipt.receiptType,
    threadId: receipt.threadId,
    eventId,
    ts: context.clock.now(),
  })
}

/** Sets the fully-read marker. Throws M_FORBIDDEN unless the user is in the room, M_NOT_FOUND for an event that is not. */
export async function setFullyRead(context: UserRequest, roomId: RoomId, eventIdText: string): Promise<void> {
  const eventId = parseEventId(eventIdText)
  const { requester, traceId } = context
  const { sight } = await ownEvent(context, roomId, eventId)
  if (sight.membership !== 'join') throw notInRoom()
  const request = { roomId, type: 'm.fully_read', content: { event_id: eventId } }
  await context.ask.ask('user', requester.userId, 'putAccountData', request, { traceId })
}

async function ownEvent(
  context: UserRequest,
  roomId: RoomId,
  eventId: EventId,
): Promise<{ sight: RoomSight; placed: PlacedEvent }> {
  const sight = await lookInto(context.reads, context.requester.userId, { roomId })
  if (sight.membership !== 'join') throw notInRoom()
  const placed = await placedEvent(context.reads, sight.room.roomNid, eventId)
  if (placed === undefined) throw new MatrixError('M_NOT_FOUND', 'The room has no such event.')
  return { sight, placed }
}

/** Throws M_INVALID_PARAM where "the `event_id` is not related to the `thread_id`". */
async function checkThread(
  context: UserRequest,
  roomId: RoomId,
  receipt: { eventId: EventId; threadId: string },
): Promise<void> {
  const { placed, sight } = await ownEvent(context, roomId, receipt.eventId)
  const relations = await relationsFrom(context.reads, sight.room.roomNid, placed)
  const root = relations.find(({ relType }) => relType === 'm.thread')?.eventId
  // What refers to a thread's root otherwise, over however many relations, stands in the main timeline and is related to the thread.
  const related = [
    receipt.eventId,
    ...(root === undefined ? relations.map(({ eventId }) => eventId) : [root]),
  ]
  const fits =
    receipt.threadId === 'main' ? root === undefined : related.some((id) => id === receipt.threadId)
  if (!fits) throw new MatrixError('M_INVALID_PARAM', 'The event is not related to the thread "thread_id".')
}

/** The relations by which an event is joined to others, one leading to the next: at most four, and none after one to a thread. */
async function relationsFrom(reads: Reads, roomNid: number, start: PlacedEvent): Promise<Relation[]> {
  const relations: Relation[] = []
  let current: PlacedEvent | undefined = start
  while (current !== undefined && relations.length <= maxHops) {
    const relation = relationOf(contentOf(current.event))
    if (relation === undefined) break
    relations.push(relation)
    if (relation.relType === 'm.thread') break
    current = await placedEvent(reads, roomNid, relation.eventId)
  }
  return relations
}
