/**
 * POST /_troupe/admin/v1/hosts/:hostId/drain with `{"draining": true}`: lets a host hand its shards over; with `false` it takes its share
 * again. For administrators.
 */

import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import { listHosts } from '#storage/cluster/leases.ts'
import { type AnyEndpoint, defineEndpoint } from '../http/endpoint.ts'
import { requireAdministrator } from './administrator.ts'
import { canBeDrained, hostsCalled } from './draining.ts'

/** Marks a host. False if there is none of that id. */
export type SetDraining = (hostId: number, draining: boolean) => Promise<boolean>

/**
 * The endpoint. Answers `{}` once the host is marked; how far it is then is for the cluster's view to tell. Errors: M_MISSING_TOKEN,
 * M_UNKNOWN_TOKEN (401), M_FORBIDDEN (403) also where nobody could take the shards, M_NOT_FOUND (404).
 */
export function drainHostEndpoint(setDraining: SetDraining): AnyEndpoint {
  return defineEndpoint({
    method: 'POST',
    path: '/_troupe/admin/v1/hosts/:hostId/drain',
    auth: 'user',
    rateLimit: 'write',
    body: { kind: 'json', schema: z.object({ draining: z.boolean() }) },
    handle: async ({ body, params, reads, requester }) => {
      requireAdministrator(requester)
      const hosts = await listHosts(reads)
      const [host] = hostsCalled(hosts, params['hostId'] ?? '')
      if (host === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no living host of this id.')
      if (body.draining && !canBeDrained(hosts, [host])) {
        throw new MatrixError('M_FORBIDDEN', `Nobody else could take the shards of ${host.name}.`)
      }
      await setDraining(host.hostId, body.draining)
      return {}
    },
  })
}
