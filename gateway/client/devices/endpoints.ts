/** Devices of the requester. */

import type { AnyEndpoint } from '../../http/endpoint.ts'
import { endpoint as deleteDevice } from './delete-device.ts'
import { endpoint as deleteDevices } from './delete-devices.ts'
import { endpoint as getDevice } from './get-device.ts'
import { endpoint as getDevices } from './get-devices.ts'
import { endpoint as putDevice } from './put-device.ts'

export const deviceEndpoints: readonly AnyEndpoint[] = [
  getDevices,
  getDevice,
  putDevice,
  deleteDevice,
  deleteDevices,
]
