/** Rooms that the user does not want to see any more. Client-server API v1.19, "Leaving rooms". */

import { MatrixError } from '#protocol/errors.ts'
import { readRoomOfUser } from '#storage/users/rooms-of-user.ts'
import { nothing, type UserCore, type UserHandlers } from './core.ts'

export function forgetHandlers(core: UserCore): UserHandlers<'forget'> {
  return {
    /** The row names the membership that is forgotten, so that a later invite or join is seen again. Throws M_NOT_FOUND, M_UNKNOWN (400). */
    forget: async ({ roomId }) => {
      core.openAccount()
      const room = await readRoomOfUser(core.context.reads, core.userId, roomId)
      if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'You have never been in this room.')
      if (room.membership !== 'leave' && room.membership !== 'ban') {
        throw new MatrixError('M_UNKNOWN', 'A room must be left before it can be forgotten.', { status: 400 })
      }
      const draft = core.draft()
      draft.log('forget', { roomId, shard: room.shard, pos: room.pos })
      void core.decide(draft)
      return nothing
    },
  }
}
