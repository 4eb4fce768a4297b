import { MatrixError } from '../errors.ts'
import type { Brand } from './brand.ts'
import { isIdText } from './limits.ts'

/** A device id: opaque, unique among the devices of one user. Client-server API v1.19, "Devices". */
export type DeviceId = Brand<'DeviceId'>

/** True for a device id: not empty, legal Unicode without NUL, at most 255 bytes. */
export function isDeviceId(text: string): text is DeviceId {
  return text.length > 0 && isIdText(text)
}

/** The string as a device id. Throws M_INVALID_PARAM if it is none. */
export function parseDeviceId(text: string): DeviceId {
  if (!isDeviceId(text)) throw new MatrixError('M_INVALID_PARAM', 'Not a valid device id.')
  return text
}
