/** End-to-end encryption: keys, signatures, messages to devices. */

import type { AnyEndpoint } from '../../http/endpoint.ts'
import { endpoint as changes } from './changes.ts'
import { endpoint as claim } from './claim.ts'
import { endpoint as deviceSigningUpload } from './device-signing-upload.ts'
import { endpoint as query } from './query.ts'
import { endpoint as sendToDevice } from './send-to-device.ts'
import { endpoint as signaturesUpload } from './signatures-upload.ts'
import { endpoint as upload } from './upload.ts'

export const keyEndpoints: readonly AnyEndpoint[] = [
  upload,
  query,
  changes,
  claim,
  deviceSigningUpload,
  signaturesUpload,
  sendToDevice,
]
