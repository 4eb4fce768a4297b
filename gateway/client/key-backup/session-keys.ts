/**
 * One session's key in a backup: PUT, GET and DELETE /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3room_keyskeysroomidsessionid
 */

import { MatrixError } from '#protocol/errors.ts'
import type { AnyEndpoint } from '../../http/endpoint.ts'
import { keyData, presentKey, sessionIn } from './backup-request.ts'
import { keyEndpoints } from './keys-endpoints.ts'

export const sessionKeyEndpoints: readonly AnyEndpoint[] = keyEndpoints({
  suffix: '/:roomId/:sessionId',
  schema: keyData,
  named: sessionIn,
  keysOf: (data, params) => [{ ...sessionIn(params), data }],
  present: ([key]) => {
    if (key === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no key of this session.')
    return presentKey(key)
  },
})
