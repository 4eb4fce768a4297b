/** Models `storage/cluster/shards.ts`: compare-and-set of owners and epochs. */

import type * as real from '#storage/cluster/shards.ts'
import { asked } from '../access.ts'

export const listShards: typeof real.listShards = (reads) =>
  asked(reads, (tables, server) =>
    tables.shards.map(({ epoch, owner }, shard) => {
      const host = owner === undefined ? undefined : tables.hosts.get(owner)
      return {
        shard,
        epoch,
        owner,
        alive: host !== undefined && host.expiresAtMs > server.nowMs,
        draining: host?.draining ?? false,
        ownerVersion: host?.version,
      }
    }),
  )

export const claimShards: typeof real.claimShards = (session, hostId, seen) =>
  asked(session, (now, server) => {
    const host = now.hosts.get(hostId)
    if (host === undefined || host.draining || host.expiresAtMs <= server.nowMs) return []
    const free = seen.filter(({ shard, epoch }) => {
      const row = now.shards[shard]
      return row?.epoch === epoch && (row.owner === undefined || server.isHostDead(now, row.owner))
    })
    // An update waits for whoever has locked the row, and then looks at it again.
    server.rowLocks.demand(free.map(({ shard }) => shard))
    server.noteClaims(free.map(({ shard }) => shard))
    server.change((tables) => {
      for (const { shard, epoch } of free) tables.shards[shard] = { epoch: epoch + 1, owner: hostId }
    })
    return free.map(({ shard, epoch }) => ({ shard, epoch: epoch + 1 }))
  })

export const releaseShard: typeof real.releaseShard = (session, hostId, owned) =>
  asked(session, (now, server) => {
    const row = now.shards[owned.shard]
    if (row?.owner !== hostId || row.epoch !== owned.epoch) return false
    server.rowLocks.demand([owned.shard])
    server.change((tables) => {
      const released = tables.shards[owned.shard]
      if (released !== undefined) released.owner = undefined
    })
    return true
  })

export const deadHosts: typeof real.deadHosts = (reads) =>
  asked(reads, (tables, server) => {
    const hosts = new Set([...tables.shards.flatMap(({ owner }) => owner ?? []), ...tables.hosts.keys()])
    return [...hosts].filter((host) => server.isHostDead(tables, host))
  })
