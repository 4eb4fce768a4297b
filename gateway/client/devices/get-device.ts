/**
 * GET /_matrix/client/v3/devices/{deviceId}
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3devicesdeviceid
 */

import { MatrixError } from '#protocol/errors.ts'
import { readDevices } from '#storage/users/devices.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { presentDevice } from './present-device.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: ['/_matrix/client/v3/devices/:deviceId', '/_matrix/client/r0/devices/:deviceId'],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: async ({ params, reads, requester }) => {
    const devices = await readDevices(reads, requester.userId)
    const device = devices.find((candidate) => candidate.deviceId === params['deviceId'])
    if (device === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such device.')
    return presentDevice(device)
  },
})
