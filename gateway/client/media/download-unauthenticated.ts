/**
 * GET /_matrix/media/v3/download/{serverName}/{mediaId}, and the same with a file name
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixmediav3downloadservernamemediaid
 */

import { MatrixError } from '#protocol/errors.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { serveMedia } from './serve.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: [
    '/_matrix/media/v3/download/:serverName/:mediaId',
    '/_matrix/media/v3/download/:serverName/:mediaId/:fileName',
    '/_matrix/media/r0/download/:serverName/:mediaId',
    '/_matrix/media/r0/download/:serverName/:mediaId/:fileName',
  ],
  auth: 'none',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: (context) => {
    if (context.config.unauthenticatedMedia) return serveMedia(context)
    throw new MatrixError(
      'M_NOT_FOUND',
      'Media is served to users alone: GET /_matrix/client/v1/media/download with an access token.',
    )
  },
})
