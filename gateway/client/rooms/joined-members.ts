/**
 * GET /_matrix/client/v3/rooms/{roomId}/joined_members
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidjoined_members
 */

import { membershipOf } from '#protocol/events/read/membership.ts'
import { stringField, objectFromEntries, type JsonObject } from '#protocol/json/types.ts'
import { contentOf } from '#storage/rooms/aggregations.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { roomIdOf } from './request.ts'
import { stateReader } from './state-reader.ts'
import { lookInto, notInRoom } from './visible.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: [
    '/_matrix/client/v3/rooms/:roomId/joined_members',
    '/_matrix/client/r0/rooms/:roomId/joined_members',
  ],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  async handle(context) {
    const sight = await lookInto(context.reads, context.requester.userId, { roomId: roomIdOf(context) })
    if (sight.membership !== 'join') throw notInRoom()
    const members = await stateReader(context.reads).members(sight.room.roomNid, sight.room.root)
    const joined = members.flatMap((event) => {
      const content = contentOf(event)
      const isJoined = membershipOf(content) === 'join' && event.stateKey !== undefined
      return isJoined ? [[event.stateKey, profileOf(content)] as const] : []
    })
    return { joined: objectFromEntries(joined) }
  },
})

function profileOf(content: JsonObject): JsonObject {
  return {
    display_name: stringField(content, 'displayname') ?? null,
    avatar_url: stringField(content, 'avatar_url') ?? null,
  }
}
