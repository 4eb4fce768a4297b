import { MatrixError } from '#protocol/errors.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { placedEvent, type PlacedEvent } from '#storage/rooms/placed-events.ts'
import type { UserRequest } from './request.ts'
import { lookInto, type RoomSight } from './visible.ts'

/**
 * An event of a room that the user may see. Throws M_NOT_FOUND where there is none, or the room is not for him: "The event was not found
 * or you do not have permission to read this event."
 */
export async function visibleEvent(
  context: Pick<UserRequest, 'reads' | 'requester'>,
  roomId: RoomId,
  eventId: string,
): Promise<{ sight: RoomSight; placed: PlacedEvent }> {
  const sight = await lookInto(context.reads, context.requester.userId, { roomId }).catch(
    (error: unknown) => {
      throw error instanceof MatrixError && error.errcode === 'M_FORBIDDEN' ? noEvent() : error
    },
  )
  const placed = await placedEvent(context.reads, sight.room.roomNid, eventId)
  if (placed === undefined || !sight.maySee(placed.pos)) throw noEvent()
  return { sight, placed }
}

function noEvent(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'There is no such event, or it is not visible to you.')
}
