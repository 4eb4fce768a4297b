/** Media ids: new ones, and those in paths. */

import { MatrixError } from '#protocol/errors.ts'
import { isMediaId, makeMxcUri, type MediaId } from '#protocol/ids/mxc-uri.ts'
import { isServerName } from '#protocol/ids/server-name.ts'
import type { Services } from '../../http/endpoint.ts'

const idBytes = 18

/** An id that nobody can guess and that has not been given before, with its URI. */
export function newMediaId({ config, random }: Pick<Services, 'config' | 'random'>): {
  mediaId: MediaId
  uri: string
} {
  // The cast is sound: base64url has only characters of media ids.
  const mediaId = Buffer.from(random.bytes(idBytes)).toString('base64url') as MediaId
  return { mediaId, uri: makeMxcUri(config.serverName, mediaId) }
}

/** The media of this server that a path names. Throws M_INVALID_PARAM for what is no id, M_NOT_FOUND for another server's. */
export function localMediaId(
  { config }: Pick<Services, 'config'>,
  params: Readonly<Record<string, string>>,
): MediaId {
  const { serverName = '', mediaId = '' } = params
  if (!isServerName(serverName) || !isMediaId(mediaId)) {
    throw new MatrixError('M_INVALID_PARAM', 'The path does not name a server and a media id.')
  }
  if (serverName !== config.serverName) {
    throw new MatrixError('M_NOT_FOUND', 'This server does not fetch media from other servers.')
  }
  return mediaId
}
