/** What this process tells operators of itself. */

import type { FollowLeader } from '#actors/follow/leader.ts'
import type { ActorHost } from '#actors/runtime/host.ts'
import type { HostStatus, ProcessStatus } from '#actors/runtime/host-status.ts'
import type { Recent } from './ops/recent.ts'

export interface ProcessIdentity {
  readonly name: string
  readonly version: string
}

/** The status of any process. */
export function processStatus({ name, version }: ProcessIdentity, recent: Recent): ProcessStatus {
  return {
    name,
    version,
    uptimeMs: Math.round(process.uptime() * 1000),
    memoryBytes: process.memoryUsage.rss(),
    commits: recent.commits(),
    failures: recent.failures(),
  }
}

/** The status of a process that owns shards. */
export function hostStatus(
  identity: ProcessIdentity,
  recent: Recent,
  parts: { readonly host: Pick<ActorHost, 'loads'>; readonly leader: Pick<FollowLeader, 'followers'> },
): HostStatus {
  const followers = parts.leader.followers()
  return {
    ...processStatus(identity, recent),
    shards: parts.host.loads().map((load) => ({ ...load, followers: followers.get(load.shard) ?? 0 })),
  }
}
