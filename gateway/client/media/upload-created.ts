/**
 * PUT /_matrix/media/v3/upload/{serverName}/{mediaId}
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixmediav3uploadservernamemediaid
 */

import { MatrixError } from '#protocol/errors.ts'
import { readMedia } from '#storage/media/metadata.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { localMediaId } from './media-id.ts'
import { receiveUpload } from './receive.ts'

export const endpoint = defineEndpoint({
  method: 'PUT',
  path: '/_matrix/media/v3/upload/:serverName/:mediaId',
  auth: 'user',
  rateLimit: 'media',
  body: { kind: 'stream' },
  handle: async (context) => {
    const { clock, params, reads, requester } = context
    const mediaId = localMediaId(context, params)
    // The actor decides; this look only spares the bytes of an upload that will be refused.
    const media = await readMedia(reads, mediaId)
    if (media === undefined || (media.expiresAt !== undefined && media.expiresAt <= clock.now())) {
      throw new MatrixError('M_NOT_FOUND', 'The media id was not created here, or its time is over.')
    }
    if (media.userId !== requester.userId) {
      throw new MatrixError('M_FORBIDDEN', 'The media id is that of another user.')
    }
    if (media.size !== undefined) {
      throw new MatrixError(
        'M_CANNOT_OVERWRITE_MEDIA',
        'Something has been uploaded under this media id already.',
      )
    }
    await receiveUpload(context, mediaId)
    return {}
  },
})
