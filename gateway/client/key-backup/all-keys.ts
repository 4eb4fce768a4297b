/**
 * All keys in a backup: PUT, GET and DELETE /_matrix/client/v3/room_keys/keys
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3room_keyskeys
 */

import { z } from 'zod'
import type { AnyEndpoint } from '../../http/endpoint.ts'
import { keyData, presentSessions } from './backup-request.ts'
import { keyEndpoints } from './keys-endpoints.ts'

export const allKeyEndpoints: readonly AnyEndpoint[] = keyEndpoints({
  suffix: '',
  schema: z.looseObject({
    rooms: z.record(z.string(), z.looseObject({ sessions: z.record(z.string(), keyData) })),
  }),
  named: () => ({}),
  keysOf: ({ rooms }) =>
    Object.entries(rooms).flatMap(([roomId, { sessions }]) =>
      Object.entries(sessions).map(([sessionId, data]) => ({ roomId, sessionId, data })),
    ),
  present: (keys) => {
    const byRoom = Map.groupBy(keys, (key) => key.roomId)
    return {
      rooms: Object.fromEntries([...byRoom].map(([roomId, ofRoom]) => [roomId, presentSessions(ofRoom)])),
    }
  },
})
