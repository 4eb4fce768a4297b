/** `NATS_URL`: one server or several of one cluster, separated by commas, with the credentials that are the same for all. */

export interface NatsAddress {
  /** `host:port` each. */
  readonly servers: readonly string[]
  readonly user?: string
  readonly pass?: string
  readonly token?: string
  readonly tls: boolean
  /** The servers as they may be shown: without credentials. */
  readonly label: string
}

/**
 * Reads `nats://user:password@host:port` (or `tls://`, or a bare `host:port`), several separated by commas. A user name
 * without a password is a token. Throws `TypeError` with a sentence that names NATS_URL and never repeats a password.
 */
export function parseNatsUrl(text: string): NatsAddress {
  const urls = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(parseOne)
  const [first] = urls
  if (first === undefined)
    throw new TypeError('NATS_URL is empty; it looks like nats://user:password@host:4222')
  const withUser = urls.find((url) => url.username !== '') ?? first
  const user = decodeURIComponent(withUser.username)
  const pass = decodeURIComponent(withUser.password)
  const servers = urls.map((url) => `${url.hostname}:${url.port || '4222'}`)
  const tls = urls.some((url) => url.protocol === 'tls:')
  const credentials = user === '' ? {} : pass === '' ? { token: user } : { user, pass }
  return { servers, tls, label: servers.map((server) => `nats://${server}`).join(','), ...credentials }
}

function parseOne(part: string): URL {
  const url = URL.parse(part.includes('://') ? part : `nats://${part}`)
  if (url === null || url.hostname === '' || (url.protocol !== 'nats:' && url.protocol !== 'tls:')) {
    throw new TypeError('NATS_URL cannot be read; it looks like nats://user:password@host:4222')
  }
  return url
}
