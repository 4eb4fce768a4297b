/** Groups as data: what goes into one call of the store, and how a group that fails is split. */

import type { LogEntry } from '#storage/entry.ts'
import type { ShardGroup } from '#storage/commit.ts'
import type { ShardWrites } from '#storage/shard-writes.ts'
import type { PendingEntry } from './contract.ts'
import type { Lane, Submission } from './lane.ts'

/** The part of a group that goes through one lane. It is sent again only as it is. */
export interface Part {
  readonly lane: Lane
  readonly submissions: readonly Submission[]
  /** Log rows in it. */
  readonly rows: number
}

/** Bounds of one call: the transaction stays short and its arguments small. */
export const maxGroupRows = 500
export const maxGroupBytes = 4 * 1024 * 1024

/** About how many bytes a decision adds to a call. */
export function sizeOf(writes: ShardWrites): number {
  let size = 0
  for (const row of writes.log) size += 200 + (row.body?.length ?? 0)
  for (const { row } of writes.rows) {
    size += 100
    for (const value of Object.values(row)) size += typeof value === 'string' ? value.length : 8
  }
  return size
}

/** How many submissions from the front of the queue fit into one call; at least one. */
export function fitting(queue: readonly Submission[]): number {
  let rows = 0
  let bytes = 0
  let count = 0
  for (const { writes } of queue) {
    rows += writes.log.length
    bytes += sizeOf(writes)
    if (count > 0 && (rows > maxGroupRows || bytes > maxGroupBytes)) break
    count++
  }
  return count
}

/** The submissions by lane, ascending by shard, each in its order. */
export function partsOf(submissions: readonly Submission[]): Part[] {
  const byLane = new Map<Lane, Submission[]>()
  for (const submission of submissions) {
    const known = byLane.get(submission.lane)
    if (known === undefined) byLane.set(submission.lane, [submission])
    else known.push(submission)
  }
  const parts: Part[] = []
  for (const [lane, mine] of byLane) {
    parts.push({ lane, submissions: mine, rows: mine.reduce((sum, one) => sum + one.writes.log.length, 0) })
  }
  return parts.sort((a, b) => a.lane.shard - b.lane.shard)
}

/** The store's form of a group. Gives the appended rows their positions. */
export function toGroups(parts: readonly Part[]): ShardGroup[] {
  return parts.map(({ lane, submissions }) => {
    let base = lane.position
    for (const { writes } of submissions) {
      writes.place(base)
      base += writes.log.length
    }
    return {
      shard: lane.shard,
      epoch: lane.epoch,
      after: lane.position,
      writes: submissions.map((one) => one.writes),
    }
  })
}

/**
 * Two halves of a group that was refused for its content: by actor while there are several, then one actor's decisions in their
 * order, since the earlier ones stand without the later ones. Undefined: the culprit stands alone.
 */
export function halves(submissions: readonly Submission[]): [Submission[], Submission[]] | undefined {
  if (submissions.length < 2) return undefined
  const actors = [...new Set(submissions.map((one) => one.actor))]
  if (actors.length === 1) {
    const middle = submissions.length >> 1
    return [submissions.slice(0, middle), submissions.slice(middle)]
  }
  const first = new Set(actors.slice(0, actors.length >> 1))
  return [
    submissions.filter((one) => first.has(one.actor)),
    submissions.filter((one) => !first.has(one.actor)),
  ]
}

/** The entries that followers are told of, once a part is durable. */
export function entriesOf(part: Part): LogEntry[] {
  const entries: LogEntry[] = []
  for (const submission of part.submissions) {
    for (const entry of submission.entries) {
      if (entry !== undefined) entries.push(placed(entry, part.lane))
    }
  }
  return entries
}

function placed(entry: PendingEntry, lane: Lane): LogEntry {
  return {
    shard: lane.shard,
    pos: entry.ref.pos,
    epoch: lane.epoch,
    kind: entry.kind,
    roomId: entry.roomId,
    roomNid: entry.roomNid,
    event: entry.event,
    userId: entry.userId,
    membership: entry.membership,
    prevMembership: entry.prevMembership,
    stateRoot: entry.stateRoot,
    body: entry.body,
  }
}
