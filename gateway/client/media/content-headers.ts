/** The headers with which media is served, whatever was said at its upload. Client-server API v1.19, "Serving inline content". */

const inlineTypes: ReadonlySet<string> = new Set([
  'text/css',
  'text/plain',
  'text/csv',
  'application/json',
  'application/ld+json',
  'image/jpeg',
  'image/gif',
  'image/png',
  'image/apng',
  'image/webp',
  'image/avif',
  'video/mp4',
  'video/webm',
  'video/ogg',
  'video/quicktime',
  'audio/mp4',
  'audio/webm',
  'audio/aac',
  'audio/mpeg',
  'audio/ogg',
  'audio/wave',
  'audio/wav',
  'audio/x-wav',
  'audio/x-pn-wav',
  'audio/flac',
  'audio/x-flac',
])

const unknownType = 'application/octet-stream'
const maxTypeLength = 255
const maxNameLength = 255

/** A type as it is kept: that of the upload if it is one line of visible characters. */
export function cleanContentType(header: string | undefined): string {
  const type = header?.trim() ?? ''
  return /^[\x20-\x7e]+$/.test(type) && type.length <= maxTypeLength ? type : unknownType
}

/** A file's name as it is kept: without path, controls and marks that turn the direction of reading; undefined if nothing is left. */
export function cleanFileName(name: string | null | undefined): string | undefined {
  const base = (name ?? '').toWellFormed().replace(/^.*[/\\]/, '')
  const clean = base.replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, '').trim()
  const short = Array.from(clean).slice(0, maxNameLength).join('')
  return short === '' ? undefined : short
}

/** All headers but the length. Nothing that is served here can run as a document of this server. */
export function contentHeaders(contentType: string, fileName: string | undefined): Record<string, string> {
  return {
    'content-type': contentType,
    'content-disposition': disposition(contentType, fileName),
    'content-security-policy':
      "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; media-src 'self'; object-src 'self';",
    'cross-origin-resource-policy': 'cross-origin',
    'x-content-type-options': 'nosniff',
    'cache-control': 'private, max-age=86400, immutable',
  }
}

function disposition(contentType: string, fileName: string | undefined): string {
  const [base = ''] = contentType.toLowerCase().split(';')
  const kind = inlineTypes.has(base.trim()) ? 'inline' : 'attachment'
  if (fileName === undefined) return kind
  // RFC 6266: a quoted string for plain names, the extended form for others.
  if (/^[\x20-\x7e]+$/.test(fileName)) {
    return `${kind}; filename="${fileName.replace(/["\\]/g, '\\$&')}"`
  }
  return `${kind}; filename*=utf-8''${encodeExtended(fileName)}`
}

/** RFC 5987 leaves fewer characters unencoded than `encodeURIComponent`. */
function encodeExtended(text: string): string {
  return encodeURIComponent(text).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
