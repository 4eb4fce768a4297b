/**
 * POST /_matrix/client/v3/delete_devices
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3delete_devices
 */

import { z } from 'zod'
import { defineEndpoint } from '../../http/endpoint.ts'
import { removeDevices } from './remove-devices.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/client/v3/delete_devices', '/_matrix/client/r0/delete_devices'],
  auth: 'user',
  rateLimit: 'write',
  body: {
    kind: 'json',
    schema: z.looseObject({ devices: z.array(z.string()), auth: z.looseObject({}).optional() }),
  },
  handle: (context) => removeDevices(context, 'POST /_matrix/client/v3/delete_devices', context.body.devices),
})
