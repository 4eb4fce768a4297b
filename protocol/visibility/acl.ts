/** Server access control lists. Client-server API v1.19, "Server Access Control Lists". */
import { field } from '../json/types.ts'
import type { JsonObject, JsonValue } from '../json/types.ts'
import { compileGlob } from '../push/glob.ts'
import type { GlobMatcher } from '../push/glob.ts'

/** Whether a server, by its name with or without a port, may take part in the room. */
export type ServerAcl = (serverName: string) => boolean

const ipv4Literal = /^[0-9]{1,3}(\.[0-9]{1,3}){3}$/
const trailingPort = /:[0-9]*$/

/**
 * The access control list in the content of `m.room.server_acl` (undefined: the room has no such event). Compile it once
 * per event; asking costs one look-up and as many matches as it has patterns with wildcards. Never throws: what is not
 * well-formed counts as absent.
 */
export function compileServerAcl(content: JsonObject | undefined): ServerAcl {
  // "1. If there is no `m.room.server_acl` event in the room state, allow."
  if (content === undefined) return () => true
  const allowIpLiterals = field(content, 'allow_ip_literals') !== false
  const denied = compileList(field(content, 'deny'))
  const allowed = compileList(field(content, 'allow'))
  return (serverName) => {
    const host = hostOf(serverName).toLowerCase()
    // "2. If the server name is an IP address (v4 or v6) literal, and `allow_ip_literals` is present and `false`, deny."
    if (!allowIpLiterals && isIpLiteral(host)) return false
    // "3. If the server name matches an entry in the `deny` list, deny."
    if (denied(host)) return false
    // "4. If the server name matches an entry in the `allow` list, allow." "5. Otherwise, deny."
    return allowed(host)
  }
}

/** "The suspect server's port number must not be considered." */
function hostOf(serverName: string): string {
  if (serverName.startsWith('[')) return serverName.slice(0, serverName.indexOf(']') + 1) || serverName
  // An IPv6 address without brackets is no server name, and its last group no port.
  return serverName.indexOf(':') === serverName.lastIndexOf(':')
    ? serverName.replace(trailingPort, '')
    : serverName
}

function isIpLiteral(host: string): boolean {
  return ipv4Literal.test(host) || host.includes(':')
}

/** "The case-insensitive glob expressions"; entries that are not strings are passed over. */
function compileList(list: JsonValue | undefined): GlobMatcher {
  const patterns = new Set<string>()
  for (const entry of Array.isArray(list) ? list : []) {
    if (typeof entry === 'string') patterns.add(entry.toLowerCase())
  }
  const globs = [...patterns].filter((pattern) => /[*?]/.test(pattern)).map((pattern) => compileGlob(pattern))
  return (host) => patterns.has(host) || globs.some((matches) => matches(host))
}
