/**
 * GET /_matrix/client/v3/rooms/{roomId}/state
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidstate
 */

import { Answer, defineEndpoint } from '../../http/endpoint.ts'
import { presentState } from './present.ts'
import { roomIdOf } from './request.ts'
import { stateReader } from './state-reader.ts'
import { lookInto } from './visible.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: ['/_matrix/client/v3/rooms/:roomId/state', '/_matrix/client/r0/rooms/:roomId/state'],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  async handle(context) {
    const sight = await lookInto(context.reads, context.requester.userId, { roomId: roomIdOf(context) })
    const { root } = await sight.state()
    const events = await stateReader(context.reads).all(sight.room.roomNid, root)
    const texts = await presentState(context, sight, events)
    return Answer.json(`[${texts.join(',')}]`)
  },
})
