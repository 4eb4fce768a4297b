/**
 * GET /_matrix/client/v3/devices
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3devices
 */

import { readDevices } from '#storage/users/devices.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { presentDevice } from './present-device.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: ['/_matrix/client/v3/devices', '/_matrix/client/r0/devices'],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: async ({ reads, requester }) => ({
    devices: (await readDevices(reads, requester.userId)).map(presentDevice),
  }),
})
