import { MatrixError } from '../errors.ts'
import type { Brand } from './brand.ts'

/** A homeserver's name: host with optional port. Appendices v1.19, "Server Name". Compared case-sensitively. */
export type ServerName = Brand<'ServerName'>

const dnsName = /^[A-Za-z0-9.-]{1,255}$/
const ipv6Name = /^\[[0-9A-Fa-f:.]{2,45}\]$/
const portDigits = /^[0-9]{1,5}$/

/** True for `host`, `host:port`, `1.2.3.4`, `[::1]`, `[::1]:8448` in the grammar of the specification, ports up to 65535. */
export function isServerName(text: string): text is ServerName {
  const afterHost = text.startsWith('[') ? text.indexOf(']') + 1 : firstColon(text)
  const host = text.slice(0, afterHost)
  if (!dnsName.test(host) && !ipv6Name.test(host)) return false
  if (afterHost === text.length) return true
  const port = text.slice(afterHost + 1)
  return text[afterHost] === ':' && portDigits.test(port) && Number(port) <= 65_535
}

/** The string as a server name. Throws M_INVALID_PARAM if it is none. */
export function parseServerName(text: string): ServerName {
  if (!isServerName(text)) throw new MatrixError('M_INVALID_PARAM', 'Not a valid server name.')
  return text
}

function firstColon(text: string): number {
  const colon = text.indexOf(':')
  return colon === -1 ? text.length : colon
}
