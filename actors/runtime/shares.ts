/**
 * Who should own how many shards: pure arithmetic on a survey, the same on every host. Each host acts on its own survey, and since all
 * reckon alike, what one gives up is what another lacks.
 */

import type { HostRecord, ShardState, Survey } from './cluster-store.ts'

/** The role of a process that owns shards. */
export const actorRole = 'actors'

export interface Plan {
  /** Shards that may be claimed: as many as are missing to this host's share, and what is overdue. */
  readonly claim: readonly ShardState[]
  /** How many of its shards this host should give up now. */
  readonly giveUp: number
  /** Some shard must change hands, here or elsewhere: look again soon. */
  readonly restless: boolean
  /** Hosts that own shards or would, this one included: those who look after each other. */
  readonly lookers: number
}

/**
 * So many shards are on their way at a time in the whole cluster, so that a host that joins or drains stops nobody for long. Hosts that
 * looked at the same moment keep to it together; one that looked a moment before may add its part of the same number.
 */
export const movesAtOnce = 4
/** And so many while a host that cannot reach the bus has shards: they are served to nobody before they have moved. */
export const urgentMovesAtOnce = 16

const nothing: ReadonlySet<number> = new Set()

/** A host that may own shards, with what it has and what it should have. */
interface Member {
  readonly hostId: string
  readonly weight: number
  readonly owned: number
}

/**
 * What a host does about a survey. While shards are free those who lack some take them, and nobody gives any up; then those who have more
 * than their share give up a few. `start` says where it begins to claim: elsewhere than the others. What is `overdue` nobody else seems to
 * take, and may be claimed beyond the share: the host that lacks it may be hung.
 */
export function planFor(
  survey: Survey,
  hostId: string,
  start: number,
  overdue: ReadonlySet<number> = nothing,
): Plan {
  const owned = countOwned(survey)
  const shares = sharesOf(survey)
  const free = survey.shards.filter((shard) => !shard.alive)
  const missing = Math.max(0, (shares.get(hostId) ?? 0) - (owned.get(hostId) ?? 0))
  // While nobody could take them, whoever has shards keeps them, also if it drains.
  const excess = shares.size === 0 ? new Map<string, number>() : excessOf(owned, shares)
  const isUrgent = survey.hosts.some((host) => host.condition === 'cut off' && excess.has(host.hostId))
  const moves = isUrgent ? urgentMovesAtOnce : movesAtOnce
  return {
    claim: rotated(free, start).filter(
      ({ shard }, at) => shares.has(hostId) && (at < missing || overdue.has(shard)),
    ),
    giveUp: free.length > 0 ? 0 : (dealtOut(excess, moves).get(hostId) ?? 0),
    restless: shares.size > 0 && (free.length > 0 || excess.size > 0),
    lookers: survey.hosts.filter(isActor).length,
  }
}

/**
 * How many shards each host that takes part should own, by host id: its part by weight, rounded down or up, all together every shard.
 * Who has more than his part now is rounded up first, so that as few shards move as can be, and none once the shares are right.
 */
export function sharesOf(survey: Survey): Map<string, number> {
  const members = membersOf(survey)
  const total = members.reduce((sum, { weight }) => sum + weight, 0)
  const parts = members.map((member) => {
    const ideal = (survey.shards.length * member.weight) / total
    return { ...member, floor: Math.floor(ideal), rest: ideal - Math.floor(ideal) }
  })
  const left = survey.shards.length - parts.reduce((sum, { floor }) => sum + floor, 0)
  const roundedUp = parts
    .filter(({ rest }) => rest > 0)
    .toSorted(
      (a, b) =>
        Number(b.owned > b.floor) - Number(a.owned > a.floor) ||
        b.rest - a.rest ||
        b.owned - a.owned ||
        compareText(a.hostId, b.hostId),
    )
    .slice(0, left)
  const up = new Set(roundedUp.map(({ hostId }) => hostId))
  return new Map(parts.map(({ hostId, floor }) => [hostId, floor + (up.has(hostId) ? 1 : 0)]))
}

/** Hosts that own shards or would, and do not drain. */
export function actorsOf(survey: Survey): Survey['hosts'] {
  return survey.hosts.filter((host) => !host.draining && isActor(host))
}

/**
 * Those who take part: nobody who gets no connections for commits, and nobody who cannot reach the bus while others can. That counts only
 * when every host states its condition, for a version that does not know conditions reckons with all.
 */
function participants(survey: Survey): Survey['hosts'] {
  const actors = actorsOf(survey)
  if (actors.some(({ condition }) => condition === undefined)) return actors
  const reachable = actors.filter(isReachable)
  // Shards of one that drains are better where they are than with one that cannot be reached.
  const isSomebody = reachable.length > 0 || survey.hosts.some((host) => isActor(host) && isReachable(host))
  return isSomebody ? reachable : actors.filter(({ condition }) => condition === 'cut off')
}

/** Whether shards are served where a host has them, by what it says of itself. */
export function isReachable({ condition }: Pick<HostRecord, 'condition'>): boolean {
  return condition !== 'cut off' && condition !== 'no connections'
}

function isActor({ roles }: Survey['hosts'][number]): boolean {
  return roles.includes(actorRole)
}

/** Weights count only when every host states one: a version that does not know them reckons with equal shares. */
function membersOf(survey: Survey): Member[] {
  const hosts = participants(survey)
  const isWeighted = hosts.every((host) => host.weight !== undefined)
  const owned = countOwned(survey)
  return hosts.map(({ hostId, weight }) => ({
    hostId,
    weight: isWeighted ? (weight ?? 1) : 1,
    owned: owned.get(hostId) ?? 0,
  }))
}

/** How many shards each living owner has. */
function countOwned(survey: Survey): Map<string, number> {
  const owned = new Map<string, number>()
  for (const { owner, alive } of survey.shards) {
    if (alive && owner !== undefined) owned.set(owner, (owned.get(owner) ?? 0) + 1)
  }
  return owned
}

/** What each host has above its share; a host that takes no part has no share. */
function excessOf(
  owned: ReadonlyMap<string, number>,
  shares: ReadonlyMap<string, number>,
): Map<string, number> {
  const excess = [...owned].map(([hostId, count]) => [hostId, count - (shares.get(hostId) ?? 0)] as const)
  return new Map(excess.filter(([, count]) => count > 0))
}

/** Deals out so many moves, one by one, always to whoever then has the greatest excess left. */
function dealtOut(excess: ReadonlyMap<string, number>, moves: number): Map<string, number> {
  const dealt = new Map<string, number>()
  const left = [...excess].map(([hostId, count]) => ({ hostId, count }))
  for (let move = 0; move < moves; move++) {
    const [most] = left.toSorted((a, b) => b.count - a.count || compareText(a.hostId, b.hostId))
    if (most === undefined || most.count === 0) break
    most.count--
    dealt.set(most.hostId, (dealt.get(most.hostId) ?? 0) + 1)
  }
  return dealt
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function rotated<T>(items: readonly T[], start: number): T[] {
  const at = items.length === 0 ? 0 : start % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}
