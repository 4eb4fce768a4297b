import { MatrixError } from '../errors.ts'
import type { Brand } from './brand.ts'
import { isServerName, type ServerName } from './server-name.ts'

/** A content URI `mxc://server/mediaId`. Client-server API v1.19, "Matrix Content (mxc://) URIs". */
export type MxcUri = Brand<'MxcUri'>

/** A media id: the part of a content URI after the server, opaque and safe in paths. */
export type MediaId = Brand<'MediaId'>

const mxcUri = /^mxc:\/\/([^/]+)\/([A-Za-z0-9_-]{1,255})$/
const mediaId = /^[A-Za-z0-9_-]{1,255}$/

/** True for `mxc://`, a server name, a slash and a media id of `A-Z`, `a-z`, `0-9`, `_`, `-`. */
export function isMxcUri(text: string): text is MxcUri {
  const server = mxcUri.exec(text)?.[1]
  return server !== undefined && isServerName(server)
}

/** True for a media id by itself. Nothing that is one can leave a folder or name a hidden file. */
export function isMediaId(text: string): text is MediaId {
  return mediaId.test(text)
}

/** The parts of a content URI. Throws M_INVALID_PARAM if the string is none. */
export function parseMxcUri(text: string): { readonly server: ServerName; readonly mediaId: MediaId } {
  const [, server, media] = mxcUri.exec(text) ?? []
  if (server === undefined || media === undefined || !isServerName(server) || !isMediaId(media)) {
    throw new MatrixError('M_INVALID_PARAM', 'Not a valid mxc URI.')
  }
  return { server, mediaId: media }
}

/** The content URI of these parts. */
export function makeMxcUri(server: ServerName, media: MediaId): MxcUri {
  // The cast is sound: both parts have been checked.
  return `mxc://${server}/${media}` as MxcUri
}
