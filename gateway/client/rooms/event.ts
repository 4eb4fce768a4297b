/**
 * GET /_matrix/client/v3/rooms/{roomId}/event/{eventId}
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomideventeventid
 */

import { Answer, defineEndpoint } from '../../http/endpoint.ts'
import { presentEvents } from './present.ts'
import { pathParam, roomIdOf } from './request.ts'
import { visibleEvent } from './visible-event.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: [
    '/_matrix/client/v3/rooms/:roomId/event/:eventId',
    '/_matrix/client/r0/rooms/:roomId/event/:eventId',
  ],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  async handle(context) {
    const { placed, sight } = await visibleEvent(context, roomIdOf(context), pathParam(context, 'eventId'))
    const [text] = await presentEvents(context, sight, [placed])
    return Answer.json(text ?? '{}')
  },
})
