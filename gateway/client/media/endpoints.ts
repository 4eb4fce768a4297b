/** The content repository. */

import type { AnyEndpoint } from '../../http/endpoint.ts'
import { endpoint as config } from './config.ts'
import { endpoint as create } from './create.ts'
import { endpoint as download } from './download.ts'
import { endpoint as downloadUnauthenticated } from './download-unauthenticated.ts'
import { endpoint as upload } from './upload.ts'
import { endpoint as uploadCreated } from './upload-created.ts'

export const mediaEndpoints: readonly AnyEndpoint[] = [
  upload,
  create,
  uploadCreated,
  download,
  downloadUnauthenticated,
  config,
]
