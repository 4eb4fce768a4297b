/**
 * Who makes a request. Client-server API v1.19, "Using access tokens".
 */

import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { MatrixError } from '#protocol/errors.ts'
import type { AuthDemand, Requester } from './endpoint.ts'
import type { SessionCache, SessionLookup } from './session-cache.ts'

/** SHA-256 of a token, base64: how sessions are named everywhere but in the client's own request. */
export function hashToken(token: string): string {
  return hash('sha256', token, 'base64')
}

/**
 * The requester that an endpoint's demand asks for; undefined where it asks for none or none is given.
 * Throws M_MISSING_TOKEN (401) when there is no token, M_UNKNOWN_TOKEN (401) when it is nobody's, with `soft_logout` when it has expired.
 */
export function authenticate(
  request: IncomingMessage,
  query: string,
  demand: AuthDemand,
  sessions: SessionCache,
): Requester | undefined | Promise<Requester> {
  if (demand === 'none') return undefined
  const token = tokenOf(request, query)
  if (token === undefined) {
    if (demand === 'optional') return undefined
    throw new MatrixError(
      'M_MISSING_TOKEN',
      'This request needs an access token: Authorization: Bearer <token>.',
    )
  }
  const found = sessions.lookUp(hashToken(token))
  return found instanceof Promise ? found.then(requesterOf) : requesterOf(found)
}

function requesterOf(found: SessionLookup): Requester {
  switch (found.kind) {
    case 'session':
      return found.requester
    case 'expired':
      throw new MatrixError('M_UNKNOWN_TOKEN', 'The access token has expired; refresh it.', {
        extra: { soft_logout: true },
      })
    case 'unknown':
      throw new MatrixError('M_UNKNOWN_TOKEN', 'The access token is not known; log in again.', {
        extra: { soft_logout: false },
      })
  }
}

const bearer = /^Bearer(?: +(.*))?$/i

/**
 * The token of a request, undefined if there is none. Throws M_MISSING_TOKEN for an empty one and for another scheme.
 * The query parameter is deprecated since v1.11, but some clients know nothing else for downloads.
 */
function tokenOf(request: IncomingMessage, query: string): string | undefined {
  const header = request.headers.authorization
  if (header === undefined) return query.includes('access_token=') ? tokenInQuery(query) : undefined
  const token = bearer.exec(header)?.[1]?.trim() ?? ''
  if (token === '')
    throw new MatrixError('M_MISSING_TOKEN', 'The Authorization header must be: Bearer <token>.')
  return token
}

function tokenInQuery(query: string): string | undefined {
  const token = new URLSearchParams(query).get('access_token')
  if (token === '') throw new MatrixError('M_MISSING_TOKEN', 'The parameter "access_token" is empty.')
  return token ?? undefined
}
