/**
 * GET /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidstateeventtypestatekey
 */

import { MatrixError } from '#protocol/errors.ts'
import { contentOf } from '#storage/rooms/aggregations.ts'
import { Answer, defineEndpoint } from '../../http/endpoint.ts'
import { choiceParam } from '../../http/query.ts'
import { presentState } from './present.ts'
import { pathParam, roomIdOf } from './request.ts'
import { statePaths } from './state-paths.ts'
import { stateReader } from './state-reader.ts'
import { lookInto } from './visible.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: statePaths,
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  async handle(context) {
    const format = choiceParam(context.query, 'format', ['content', 'event'])
    const sight = await lookInto(context.reads, context.requester.userId, { roomId: roomIdOf(context) })
    const { root } = await sight.state()
    const type = pathParam(context, 'eventType')
    const stateKey = pathParam(context, 'stateKey')
    const event = await stateReader(context.reads).get(sight.room.roomNid, root, type, stateKey)
    if (event === undefined) throw new MatrixError('M_NOT_FOUND', 'The room has no such state.')
    if (format !== 'event') return contentOf(event)
    const [text] = await presentState(context, sight, [event])
    return Answer.json(text ?? '{}')
  },
})
