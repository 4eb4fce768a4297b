/**
 * GET /_matrix/client/v3/joined_rooms
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3joined_rooms
 */

import { joinedRooms } from '#storage/rooms/membership.ts'
import { defineEndpoint } from '../../http/endpoint.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: ['/_matrix/client/v3/joined_rooms', '/_matrix/client/r0/joined_rooms'],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  async handle({ reads, requester }) {
    return { joined_rooms: await joinedRooms(reads, requester.userId) }
  },
})
