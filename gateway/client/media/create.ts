/**
 * POST /_matrix/media/v1/create
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixmediav1create
 */

import { MatrixError } from '#protocol/errors.ts'
import { countPendingMedia } from '#storage/media/metadata.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { newMediaId } from './media-id.ts'

/** Milliseconds in which an upload must follow. "The recommended default expiration is 24 hours". */
const reservedMs = 24 * 60 * 60_000

/** The most ids of one user to which nothing has been uploaded yet. */
const maxPending = 100

/** Milliseconds after which somebody with too many of them may ask again. */
const retryMs = 60_000

export const endpoint = defineEndpoint({
  method: 'POST',
  path: '/_matrix/media/v1/create',
  auth: 'user',
  rateLimit: 'media',
  body: { kind: 'none' },
  handle: async (context) => {
    const { ask, clock, reads, requester, traceId } = context
    if ((await countPendingMedia(reads, requester.userId, clock.now())) >= maxPending) {
      throw new MatrixError('M_LIMIT_EXCEEDED', 'Upload to the media ids that you have, first.', {
        extra: { retry_after_ms: retryMs },
      })
    }
    const { mediaId, uri } = newMediaId(context)
    const expiresAt = clock.now() + reservedMs
    const request = { mediaId, contentType: '', size: -1, expiresAt }
    await ask.ask('user', requester.userId, 'putMedia', request, { traceId })
    return { content_uri: uri, unused_expires_at: expiresAt }
  },
})
