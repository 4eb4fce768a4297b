/**
 * POST /_matrix/media/v3/upload
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixmediav3upload
 */

import { defineEndpoint } from '../../http/endpoint.ts'
import { newMediaId } from './media-id.ts'
import { receiveUpload } from './receive.ts'

export const endpoint = defineEndpoint({
  method: 'POST',
  path: ['/_matrix/media/v3/upload', '/_matrix/media/r0/upload', '/_matrix/media/v1/upload'],
  auth: 'user',
  rateLimit: 'media',
  body: { kind: 'stream' },
  handle: async (context) => {
    const { mediaId, uri } = newMediaId(context)
    await receiveUpload(context, mediaId)
    return { content_uri: uri }
  },
})
