/** Who should own how many shards: pure arithmetic on a survey, the same on every host. */

import type { ShardState, Survey } from './cluster-store.ts'

/** The role of a process that owns shards. */
export const actorRole = 'actors'

export interface Plan {
  /** Shards that may be claimed, as many as are missing to this host's share. */
  readonly claim: readonly ShardState[]
  /** How many of its shards this host should give up now. */
  readonly giveUp: number
  /** Something is unowned, or the shares are uneven: look again soon. */
  readonly restless: boolean
  /** No other host that owns shards is alive. */
  readonly alone: boolean
}

/** So many shards are given up at a time, so that a host that joins does not stop the others. */
const movesAtOnce = 4

/**
 * What a host does about a survey. A host gives shards up only when another one is below the smaller share, so that nothing moves to
 * and fro between shares that differ by one; a host that drains gives up all. `start` says where it begins to claim: elsewhere than
 * the others.
 */
export function planFor(survey: Survey, hostId: string, start: number): Plan {
  const members = survey.hosts.filter((host) => !host.draining && host.roles.includes(actorRole))
  const mine = survey.shards.filter((shard) => shard.owner === hostId && shard.alive).length
  const free = survey.shards.filter((shard) => !shard.alive)
  const isMember = members.some((host) => host.hostId === hostId)
  const count = Math.max(1, members.length)
  const upper = Math.ceil(survey.shards.length / count)
  const lower = Math.floor(survey.shards.length / count)
  const missing = isMember ? Math.max(0, upper - mine) : 0
  const poor = members.some((host) => host.hostId !== hostId && ownedBy(survey, host.hostId) < lower)
  // While shards are free the poor take those. Who drains gives up everything, as soon as there is somebody to take it.
  const excess = poor && free.length === 0 ? Math.max(0, mine - upper) : 0
  const surplus = isMember || members.length === 0 ? excess : mine
  return {
    claim: rotated(free, start).slice(0, missing),
    giveUp: Math.min(movesAtOnce, surplus),
    restless: free.length > 0 || poor || mine > upper,
    alone:
      isMember &&
      members.length === 1 &&
      survey.hosts.filter((host) => host.roles.includes(actorRole)).length === 1,
  }
}

function ownedBy(survey: Survey, hostId: string): number {
  return survey.shards.filter((shard) => shard.owner === hostId && shard.alive).length
}

function rotated<T>(items: readonly T[], start: number): T[] {
  const at = items.length === 0 ? 0 : start % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}
