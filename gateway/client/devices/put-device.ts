/**
 * PUT /_matrix/client/v3/devices/{deviceId}
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3devicesdeviceid
 */

import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import { readDevices } from '#storage/users/devices.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { spread } from '../account/spread.ts'
import { plainText } from '../plain-text.ts'

export const endpoint = defineEndpoint({
  method: 'PUT',
  path: ['/_matrix/client/v3/devices/:deviceId', '/_matrix/client/r0/devices/:deviceId'],
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'json', schema: z.looseObject({ display_name: plainText(512).optional() }) },
  handle: async ({ ask, body, params, reads, requester, traceId }) => {
    const deviceId = params['deviceId'] ?? ''
    const { userId } = requester
    if (body.display_name === undefined) {
      const devices = await readDevices(reads, userId)
      if (devices.some((device) => device.deviceId === deviceId)) return {}
      throw new MatrixError('M_NOT_FOUND', 'There is no such device.')
    }
    const request = { deviceId, displayName: body.display_name }
    await ask.ask('user', userId, 'setDeviceName', request, { traceId })
    await spread({ ask }, userId, traceId)
    return {}
  },
})
