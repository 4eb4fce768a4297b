/**
 * Finds the endpoint of a request. Paths are split at `/` before they are decoded, so an encoded slash belongs to its segment.
 * A parameter is never empty: where the specification allows an empty last segment, the endpoint lists the path with the
 * trailing slash, too.
 */

import findMyWay from 'find-my-way'
import { MatrixError } from '#protocol/errors.ts'
import type { AnyEndpoint } from './endpoint.ts'

/** An endpoint under one of its paths. */
export interface Route {
  readonly endpoint: AnyEndpoint
  /** The path as the endpoint names it, with `:name` for parameters: what logs and metrics show. */
  readonly pattern: string
}

export interface Match {
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
}

const methods = ['GET', 'PUT', 'POST', 'DELETE'] as const

/** Ids have up to 255 bytes; names in other places may be longer, and their endpoints limit them. */
const maxParamLength = 2048

export class Router {
  readonly #find = findMyWay({
    maxParamLength,
    querystringParser: () => emptyQuery,
    onBadUrl: () => {},
  })

  /** Throws when two endpoints claim the same method and path. */
  constructor(endpoints: readonly AnyEndpoint[]) {
    for (const endpoint of endpoints) {
      const paths = typeof endpoint.path === 'string' ? [endpoint.path] : endpoint.path
      for (const pattern of paths)
        this.#find.on(endpoint.method, pattern, noHandler, { endpoint, pattern } satisfies Route)
    }
  }

  /**
   * The route of a request. `path` is the undecoded path without query.
   * Throws M_UNRECOGNIZED: 404 for an unknown path, 405 for a known one with another method; M_INVALID_PARAM for a path whose
   * percent-encoding is broken or that contains U+0000. Client-server API v1.19, "Common error codes".
   */
  match(method: string, path: string): Match {
    // No identifier may contain it, and Postgres cannot store it.
    if (hasNul(path)) throw new MatrixError('M_INVALID_PARAM', 'The path must not contain U+0000.')
    const match = this.#lookUp(method, path)
    if (match !== undefined) return match
    if (!isDecodable(path)) throw new MatrixError('M_INVALID_PARAM', 'The path is not percent-encoded UTF-8.')
    if (methods.some((other) => this.#lookUp(other, path) !== undefined)) {
      throw new MatrixError('M_UNRECOGNIZED', `This path exists, but does not answer ${method}.`, {
        status: 405,
      })
    }
    throw new MatrixError('M_UNRECOGNIZED', 'This server does not know this path.')
  }

  #lookUp(method: string, path: string): Match | undefined {
    const found = this.#find.find(method as findMyWay.HTTPMethod, path)
    // A broken encoding makes the library return its handler for bad URLs, which has no store.
    if (found?.store == null) return undefined
    // The casts are sound: `store` is what the constructor gave, and the library sets every parameter of a path that it found.
    const params = found.params as Record<string, string>
    for (const name in params) if (params[name] === '') return undefined
    return { route: found.store as Route, params }
  }
}

const emptyQuery = {}

function noHandler(): void {}

/** Whether percent-encoded text contains U+0000. An encoded percent sign before `00` is `%2500` and no such case. */
export function hasNul(encoded: string): boolean {
  return encoded.includes('%00')
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}
