/**
 * The requests of operators about the cluster:
 *
 *   GET  /_troupe/admin/v1/cluster               what there is, for administrators
 *   POST /_troupe/admin/v1/hosts/:hostId/drain   `{"draining": true}`: let a host hand over its shards, or stop doing so
 *   GET  /_troupe/cluster                        the same as the first, for the commands, with the operator token
 */

import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import type { JsonValue } from '#protocol/json/types.ts'
import { listHosts } from '#storage/cluster/leases.ts'
import type { Reads } from '#storage/reads.ts'
import type { Clock } from '#actors/runtime/clock.ts'
import { type AnyEndpoint, defineEndpoint } from '../http/endpoint.ts'
import { requireAdministrator } from './administrator.ts'
import type { ClusterView } from './cluster-view.ts'
import { canBeDrained, hostsCalled } from './draining.ts'
import { checkOperator } from './operator-token.ts'

/** Where `troupe status` asks. */
export const clusterPath = '/_troupe/cluster'

export interface ClusterAdministration {
  readonly operatorToken: string
  readonly clock: Clock
  readonly reads: Reads
  /** A new look at the cluster. */
  readonly view: () => Promise<ClusterView | undefined>
  /** Marks a host. False if there is none. */
  readonly setDraining: (hostId: number, draining: boolean) => Promise<boolean>
}

/** However many consoles are open, the cluster is not looked at more often. Milliseconds. */
const freshMs = 400

/** All endpoints about the cluster. */
export function clusterEndpoints(administration: ClusterAdministration): AnyEndpoint[] {
  const look = shared(administration)
  return [clusterEndpoint(look), drainEndpoint(administration), clusterForCommands(administration, look)]
}

type Look = () => Promise<JsonValue>

/** Errors: M_MISSING_TOKEN, M_UNKNOWN_TOKEN (401), M_FORBIDDEN (403). */
function clusterEndpoint(look: Look): AnyEndpoint {
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

/** Errors: M_MISSING_TOKEN, M_UNKNOWN_TOKEN (401). */
function clusterForCommands({ operatorToken }: ClusterAdministration, look: Look): AnyEndpoint {
  return defineEndpoint({
    method: 'GET',
    path: clusterPath,
    auth: 'none',
    rateLimit: 'none',
    body: { kind: 'none' },
    handle: ({ headers }) => {
      checkOperator(headers.authorization, operatorToken)
      return look()
    },
  })
}

/**
 * Answers `{}` once the host is marked; it is then for the cluster's view to tell how far it is. Errors: M_MISSING_TOKEN,
 * M_UNKNOWN_TOKEN (401), M_FORBIDDEN (403) also where nobody could take the shards, M_NOT_FOUND (404).
 */
function drainEndpoint({ reads, setDraining }: ClusterAdministration): AnyEndpoint {
  return defineEndpoint({
    method: 'POST',
    path: '/_troupe/admin/v1/hosts/:hostId/drain',
    auth: 'user',
    rateLimit: 'write',
    body: { kind: 'json', schema: z.object({ draining: z.boolean() }) },
    handle: async ({ body, params, requester }) => {
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

/** Requests that come close together share one look. */
function shared({ clock, view }: ClusterAdministration): Look {
  let latest: Promise<JsonValue> | undefined
  let startedAtMs = Number.NEGATIVE_INFINITY
  return () => {
    const nowMs = clock.monotonic()
    if (latest !== undefined && nowMs - startedAtMs < freshMs) return latest
    startedAtMs = nowMs
    const looking = view().then((seen) => {
      if (seen === undefined) throw new MatrixError('M_NOT_FOUND', 'This database has not been used yet.')
      // The cast is sound: a view is made of text, numbers, nulls, lists and objects alone.
      return seen as unknown as JsonValue
    })
    // A look that failed is not shared with whoever comes later.
    looking.catch(() => {
      if (latest === looking) latest = undefined
    })
    latest = looking
    return looking
  }
}
