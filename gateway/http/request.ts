/**
 * What is known of a request before anybody looks at its endpoint: where it comes from and what it is called in the logs.
 */

import type { BlockList } from 'node:net'
import { isIP, isIPv6 } from 'node:net'
import type { IncomingMessage } from 'node:http'
import type { Random } from '#actors/runtime/clock.ts'

/** Makes trace ids: a random prefix for this process and a counter. They name requests in logs and protect nothing. */
export function traceIds(random: Random): () => string {
  const prefix = random.bytes(6).toBase64({ alphabet: 'base64url', omitPadding: true })
  let count = 0
  return () => `${prefix}-${(count++).toString(36)}`
}

/** A request target, split. */
export interface Target {
  /** Undecoded. */
  readonly path: string
  /** Undecoded, without the question mark; empty if there is none. */
  readonly query: string
}

/** Splits a request target. The absolute form, which proxies may send, is reduced to its path. */
export function splitTarget(url: string): Target {
  const target = url.startsWith('/') ? url : withoutOrigin(url)
  const mark = target.indexOf('?')
  return mark === -1
    ? { path: target, query: '' }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) }
}

function withoutOrigin(url: string): string {
  const start = /^https?:\/\/[^/?#]*/i.exec(url)?.[0].length ?? 0
  const rest = url.slice(start)
  return rest.startsWith('/') ? rest : `/${rest}`
}

/**
 * The address of the client: of the connection, or, if that is a trusted proxy, the last address in X-Forwarded-For that is not
 * one. What stands before that address was written by somebody whom nobody vouches for.
 */
export function clientAddress(request: IncomingMessage, trustedProxies: BlockList): string {
  let address = plainAddress(request.socket.remoteAddress ?? '')
  const header = request.headers['x-forwarded-for']
  if (header === undefined) return address
  const hops = (typeof header === 'string' ? header : header.join(',')).split(',')
  for (let index = hops.length - 1; index >= 0 && isTrusted(address, trustedProxies); index--) {
    const hop = plainAddress(hops[index]?.trim() ?? '')
    if (isIP(hop) === 0) break
    address = hop
  }
  return address
}

function isTrusted(address: string, proxies: BlockList): boolean {
  const family = isIP(address)
  return family !== 0 && proxies.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

/** IPv4 as such, also where the system reports it as an IPv6 address. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address
}

/**
 * What a rate limit by address counts: the address, or of IPv6 the network of 64 bits, since one client has all addresses in it.
 */
export function addressGroup(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? []
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length)
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right]
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
