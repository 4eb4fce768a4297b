import { membershipIn, viewRoom, type RoomView } from '#protocol/auth/room-view.ts'
import { MatrixError } from '#protocol/errors.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { RoomCore } from './core.ts'

/** The room as the rules see it. Throws M_FORBIDDEN unless the user is joined. */
export function joinedView(room: RoomCore, userId: UserId): RoomView | Promise<RoomView> {
  return room.state.settle(() => {
    const view = viewRoom(room.rules, room.create(), (type, stateKey) => room.state.lookup(type, stateKey))
    if (membershipIn(view, userId) !== 'join')
      throw new MatrixError('M_FORBIDDEN', 'You are not in the room.')
    return view
  })
}
