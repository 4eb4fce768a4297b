/** Takes an upload: first the bytes, then the row that makes them count. */

import { join } from 'node:path'
import { MatrixError } from '#protocol/errors.ts'
import { BlobTooLarge, writeBlob, type StoredBlob } from '#storage/media/blobs-fs.ts'
import type { Config } from '../../config/schema.ts'
import { ClientGone } from '../../http/body.ts'
import type { Requester, RequestContext } from '../../http/endpoint.ts'
import { randomToken } from '../account/new-session.ts'
import { reportFault } from '../../events.ts'
import { cleanContentType, cleanFileName } from './content-headers.ts'

const noSpace =
  'There is no space left for files on this server. Whoever runs it has to make room; messages are not affected.'

type Context = RequestContext<unknown, Requester>

/** Where media lies on this host. */
export function mediaFolder(config: Pick<Config, 'dataDir'>): string {
  return join(config.dataDir, 'media')
}

/**
 * Stores the body of a request under a media id of the requester. Throws M_TOO_LARGE (413), M_CANNOT_OVERWRITE_MEDIA (409), M_UNKNOWN (507)
 * when the disk is full, and what the user's actor throws.
 */
export async function receiveUpload(context: Context, mediaId: string): Promise<void> {
  const { ask, headers, query, requester, traceId } = context
  const { sha256, size } = await receiveBytes(context)
  const fileName = cleanFileName(query.get('filename'))
  const request = {
    mediaId,
    contentType: cleanContentType(headers['content-type']),
    size,
    sha256,
    ...(fileName === undefined ? {} : { fileName }),
  }
  await ask.ask('user', requester.userId, 'putMedia', request, { traceId })
}

async function receiveBytes({ config, headers, random, stream, traceId }: Context): Promise<StoredBlob> {
  const maxBytes = config.mediaMaxBytes
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  try {
    return await writeBlob(mediaFolder(config), stream, { maxBytes, temporaryName: randomToken(random) })
  } catch (error) {
    if (error instanceof BlobTooLarge) throw tooLarge(maxBytes)
    if (stream.errored !== null) throw new ClientGone()
    if (isDiskFull(error)) {
      reportFault({ where: 'storing media', traceId, error })
      throw new MatrixError('M_UNKNOWN', noSpace, { status: 507, cause: error })
    }
    throw error
  }
}

function tooLarge(maxBytes: number): MatrixError {
  return new MatrixError('M_TOO_LARGE', `A file can have at most ${maxBytes} bytes.`)
}

/** No space is left for anybody, or for the user as whom this process runs. */
function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
}
