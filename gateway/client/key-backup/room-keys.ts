/**
 * The keys of one room in a backup: PUT, GET and DELETE /_matrix/client/v3/room_keys/keys/{roomId}
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3room_keyskeysroomid
 */

import { z } from 'zod'
import type { AnyEndpoint } from '../../http/endpoint.ts'
import { keyData, presentSessions, roomIn } from './backup-request.ts'
import { keyEndpoints } from './keys-endpoints.ts'

export const roomKeyEndpoints: readonly AnyEndpoint[] = keyEndpoints({
  suffix: '/:roomId',
  schema: z.looseObject({ sessions: z.record(z.string(), keyData) }),
  named: roomIn,
  keysOf: ({ sessions }, params) => {
    const { roomId } = roomIn(params)
    return Object.entries(sessions).map(([sessionId, data]) => ({ roomId, sessionId, data }))
  },
  present: presentSessions,
})
