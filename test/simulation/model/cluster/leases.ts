/** Models `storage/cluster/leases.ts`: leases by the server's clock, and a lock that dies with its session. */

import type * as real from '#storage/cluster/leases.ts'
import type { Session } from '#storage/session.ts'
import type { Server } from '../../server.ts'
import { access, asked } from '../access.ts'
import type { Tables } from '../tables.ts'

export const leaseMs: typeof real.leaseMs = 5000
/** So long a dead host is known. */
const rememberedMs = 3_600_000

/** As `asked`, over the connection of a lease. */
function leased<T>(session: Session, run: (tables: Tables, server: Server) => T): Promise<T> {
  return asked(session, run, 'lease')
}

export const registerHost: typeof real.registerHost = (session, host) =>
  leased(session, (_tables, server) => {
    server.locks.set(host.hostId, access(session).connection)
    const expiresAtMs = server.nowMs + leaseMs
    server.change((tables) => tables.hosts.set(host.hostId, { ...host, draining: false, expiresAtMs }))
  })

export const renewHost: typeof real.renewHost = async (session, hostId, condition) => {
  const { leases } = access(session).connection.server
  leases.asks(hostId)
  const renewed = await leased(session, (now, server) => {
    const host = now.hosts.get(hostId)
    if (host === undefined || host.expiresAtMs <= server.nowMs) return false
    leases.renewed(hostId, host.expiresAtMs, server.nowMs)
    const expiresAtMs = server.nowMs + leaseMs
    server.change((tables) => {
      const renewed = tables.hosts.get(hostId)
      if (renewed === undefined) return
      renewed.expiresAtMs = expiresAtMs
      renewed.condition = condition
    })
    if (server.locks.get(hostId)?.isOpen !== true) server.locks.set(hostId, access(session).connection)
    return true
  })
  if (!renewed) leases.refused(hostId)
  return renewed
}

export const setDraining: typeof real.setDraining = (session, hostId, draining) =>
  leased(session, (now, server) => {
    server.change((tables) => {
      const host = tables.hosts.get(hostId)
      if (host !== undefined) host.draining = draining
    })
    return now.hosts.has(hostId)
  })

export const listHosts: typeof real.listHosts = (reads) =>
  asked(reads, (tables, server) =>
    [...tables.hosts.values()].toSorted(byName).map((host) => ({
      ...host,
      alive: host.expiresAtMs > server.nowMs,
      renewedMsAgo: server.nowMs - (host.expiresAtMs - leaseMs),
      shards: tables.shards.filter(({ owner }) => owner === host.hostId).length,
    })),
  )

function byName(a: real.Host, b: real.Host): number {
  if (a.name === b.name) return a.hostId - b.hostId
  return a.name < b.name ? -1 : 1
}

export const unregisterHost: typeof real.unregisterHost = (session, hostId) =>
  leased(session, (_tables, server) => {
    server.change((tables) => tables.hosts.delete(hostId))
    server.locks.delete(hostId)
  })

export const forgetOtherHosts: typeof real.forgetOtherHosts = (session, hostId) =>
  leased(session, (_tables, server) =>
    server.change((tables) => {
      for (const other of tables.hosts.keys()) if (other !== hostId) tables.hosts.delete(other)
    }),
  )

/** Asks nothing of the server where it would forget nobody: in a run, which is shorter than an hour, it costs no time. */
export const forgetDeadHosts: typeof real.forgetDeadHosts = async (session) => {
  if (longDead(access(session).connection.server).length === 0) return
  await leased(session, (_tables, server) => {
    const hostIds = longDead(server)
    server.change((tables) => {
      for (const hostId of hostIds) tables.hosts.delete(hostId)
    })
  })
}

function longDead({ tables, nowMs }: Server): number[] {
  return [...tables.hosts.values()]
    .filter(({ expiresAtMs }) => expiresAtMs < nowMs - rememberedMs)
    .map(({ hostId }) => hostId)
    .filter((hostId) => !tables.shards.some(({ owner }) => owner === hostId))
}
