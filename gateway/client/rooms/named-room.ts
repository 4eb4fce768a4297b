import { MatrixError } from '#protocol/errors.ts'
import { isRoomId, type RoomId } from '#protocol/ids/room-id.ts'
import { pathParam, type UserRequest } from './request.ts'

/**
 * The room that a path names by id or alias. Throws M_NOT_FOUND for every alias, for this server has no directory of them, and
 * M_INVALID_PARAM for what is neither.
 */
export function namedRoom(context: UserRequest): RoomId {
  const name = pathParam(context, 'roomIdOrAlias')
  if (isRoomId(name)) return name
  if (name.startsWith('#')) throw new MatrixError('M_NOT_FOUND', 'There is no room with this alias.')
  throw new MatrixError('M_INVALID_PARAM', 'The path names neither a room id nor an alias.')
}
