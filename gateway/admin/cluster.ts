/** GET /_troupe/admin/v1/cluster: hosts, shards, moves, load and failures, for administrators. `cluster-view.ts` says what is in it. */

import { type AnyEndpoint, defineEndpoint } from '../http/endpoint.ts'
import { requireAdministrator } from './administrator.ts'
import type { Look } from './look.ts'

/** The endpoint. Errors: M_MISSING_TOKEN, M_UNKNOWN_TOKEN (401), M_FORBIDDEN (403). */
export function clusterEndpoint(look: Look): AnyEndpoint {
  return defineEndpoint({
    method: 'GET',
    path: '/_troupe/admin/v1/cluster',
    auth: 'user',
    rateLimit: 'none',
    body: { kind: 'none' },
    handle: ({ requester }) => {
      requireAdministrator(requester)
      return look()
    },
  })
}
