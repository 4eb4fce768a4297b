/**
 * DELETE /_matrix/client/v3/devices/{deviceId}
 * https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3devicesdeviceid
 */

import { z } from 'zod'
import { defineEndpoint } from '../../http/endpoint.ts'
import { removeDevices } from './remove-devices.ts'

export const endpoint = defineEndpoint({
  method: 'DELETE',
  path: ['/_matrix/client/v3/devices/:deviceId', '/_matrix/client/r0/devices/:deviceId'],
  auth: 'user',
  rateLimit: 'write',
  body: {
    kind: 'json',
    optional: true,
    schema: z.looseObject({ auth: z.looseObject({}).optional() }),
  },
  handle: (context) => {
    const deviceId = context.params['deviceId'] ?? ''
    const operation = `DELETE /_matrix/client/v3/devices/${encodeURIComponent(deviceId)}`
    return removeDevices(context, operation, [deviceId])
  },
})
