/** What the endpoints of rooms share: who asks, for which room, and how a room's actor is asked. */

import { MatrixError } from '#protocol/errors.ts'
import { isRoomId, type RoomId } from '#protocol/ids/room-id.ts'
import { isUserId, type UserId } from '#protocol/ids/user-id.ts'
import { parseStrictJson } from '#protocol/json/strict-parse.ts'
import { JsonError } from '#protocol/json/types.ts'
import { parseRoomEventFilter, type RoomEventFilter } from '#protocol/visibility/filter.ts'
import type { RoomMessages } from '#actors/room/messages.ts'
import type { ReplyBody } from '#actors/runtime/client.ts'
import type { RequestContext, Requester } from '../../http/endpoint.ts'

/** A request of a user, whatever its body. */
export type UserRequest = RequestContext<unknown, Requester>

/** The room named in the path. Throws M_INVALID_PARAM for what is no room id. */
export function roomIdOf(context: UserRequest): RoomId {
  const text = context.params['roomId'] ?? ''
  if (!isRoomId(text)) throw new MatrixError('M_INVALID_PARAM', 'The path names no valid room id.')
  return text
}

/** A parameter of the path; the router gives every one that an endpoint names. */
export function pathParam(context: UserRequest, name: string): string {
  return context.params[name] ?? ''
}

/** The user id in a text. Throws M_INVALID_PARAM. */
export function userIdOf(text: string): UserId {
  if (!isUserId(text)) throw new MatrixError('M_INVALID_PARAM', 'Not a valid user id.')
  return text
}

/** Asks the room's actor. Throws what the actor throws. */
export function askRoom<K extends keyof RoomMessages>(
  context: UserRequest,
  roomId: RoomId,
  kind: K,
  body: RoomMessages[K]['request'],
): Promise<ReplyBody<'room', K>> {
  return context.ask.ask<'room', K>('room', roomId, kind, body as never, { traceId: context.traceId })
}

/** As `askRoom`; a room that does not exist is answered as one that the user is not in. */
export async function askOwnRoom<K extends keyof RoomMessages>(
  context: UserRequest,
  roomId: RoomId,
  kind: K,
  body: RoomMessages[K]['request'],
): Promise<ReplyBody<'room', K>> {
  try {
    return await askRoom(context, roomId, kind, body)
  } catch (error) {
    if (error instanceof MatrixError && error.errcode === 'M_NOT_FOUND' && error.message === noSuchRoom) {
      throw new MatrixError('M_FORBIDDEN', 'You are not in the room.', { cause: error })
    }
    throw error
  }
}

/** The actor's sentence for a room that is not here. */
const noSuchRoom = 'The room does not exist on this server.'

/** The room event filter in the query parameter `filter`. Throws M_NOT_JSON, M_BAD_JSON, M_INVALID_PARAM. */
export function filterParam(query: URLSearchParams): RoomEventFilter {
  const text = query.get('filter')
  if (text === null || text === '') return parseRoomEventFilter({})
  try {
    return parseRoomEventFilter(parseStrictJson(text, { integers: 'any' }))
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw new MatrixError('M_NOT_JSON', 'The parameter "filter" is not valid JSON.', { cause: error })
  }
}
