/** Serves media of this server. */

import { MatrixError } from '#protocol/errors.ts'
import type { MediaId } from '#protocol/ids/mxc-uri.ts'
import { readBlob } from '#storage/media/blobs-fs.ts'
import { readMedia, type Media } from '#storage/media/metadata.ts'
import { delay } from '#actors/runtime/clock.ts'
import { Answer, type Requester, type RequestContext } from '../../http/endpoint.ts'
import { integerParam } from '../../http/query.ts'
import { cleanFileName, contentHeaders } from './content-headers.ts'
import { localMediaId } from './media-id.ts'
import { mediaFolder } from './receive.ts'

type Context = RequestContext<unknown, Requester | undefined>

/** "The default value is 20000 (20 seconds)", for which a download waits for its upload. */
const defaultWaitMs = 20_000
const maxWaitMs = 60_000
const pollMs = 250

/** The media that the path names. Throws M_INVALID_PARAM, M_NOT_FOUND, M_NOT_YET_UPLOADED (504). */
export async function serveMedia(context: Context): Promise<Answer> {
  const { config, params } = context
  const media = await uploadedMedia(context, localMediaId(context, params))
  if (media.sha256 === undefined || media.size === undefined) throw noMedia()
  const fileName = params['fileName'] === undefined ? media.fileName : cleanFileName(params['fileName'])
  const sha256 = Buffer.from(media.sha256).toString('base64')
  const stream = await opened(readBlob(mediaFolder(config), sha256))
  const headers = { ...contentHeaders(media.contentType, fileName), 'content-length': String(media.size) }
  return new Answer(200, headers, stream)
}

/** Waits for an upload that has been announced. */
async function uploadedMedia(context: Context, mediaId: MediaId): Promise<Media> {
  const { clock, draining, query, reads, signal } = context
  const waitMs = integerParam(query, 'timeout_ms', { fallback: defaultWaitMs, cap: maxWaitMs })
  const until = clock.monotonic() + waitMs
  for (;;) {
    const media = await readMedia(reads, mediaId)
    if (media === undefined) throw noMedia()
    if (media.size !== undefined) return media
    if (media.expiresAt !== undefined && media.expiresAt <= clock.now()) throw noMedia()
    if (clock.monotonic() >= until || draining.aborted || signal.aborted) {
      throw new MatrixError('M_NOT_YET_UPLOADED', 'The media id exists, but nothing has been uploaded yet.')
    }
    await delay(clock, pollMs)
  }
}

/** The stream once its file is open. A file that is not on this host's disk is answered as media that does not exist. */
function opened(stream: ReturnType<typeof readBlob>): Promise<ReturnType<typeof readBlob>> {
  return new Promise((resolve, reject) => {
    stream.once('open', () => resolve(stream))
    stream.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'ENOENT' ? noMedia(error) : error)
    })
  })
}

function noMedia(cause?: unknown): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'There is no such media.', cause === undefined ? {} : { cause })
}
