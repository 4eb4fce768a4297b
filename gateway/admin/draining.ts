/** Which hosts an operator means, and whether their shards could go anywhere. */

import type { KnownHost } from '#storage/cluster/leases.ts'
import { actorRole, isReachable } from '#actors/runtime/shares.ts'

/** The living hosts of that name or id. */
export function hostsCalled(hosts: readonly KnownHost[], name: string): readonly KnownHost[] {
  return hosts.filter((host) => host.alive && (host.name === name || String(host.hostId) === name))
}

/** Whether somebody else could take the shards of these hosts, as far as they have any. */
export function canBeDrained(hosts: readonly KnownHost[], drained: readonly KnownHost[]): boolean {
  if (drained.every((host) => host.shards === 0)) return true
  return hosts.some(
    (host) =>
      host.alive &&
      !host.draining &&
      isReachable(host) &&
      !drained.includes(host) &&
      host.roles.split(',').includes(actorRole),
  )
}
