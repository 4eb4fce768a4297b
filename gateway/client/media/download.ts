/**
 * GET /_matrix/client/v1/media/download/{serverName}/{mediaId}, and the same with a file name
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1mediadownloadservernamemediaid
 */

import { defineEndpoint } from '../../http/endpoint.ts'
import { serveMedia } from './serve.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: [
    '/_matrix/client/v1/media/download/:serverName/:mediaId',
    '/_matrix/client/v1/media/download/:serverName/:mediaId/:fileName',
  ],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: serveMedia,
})
