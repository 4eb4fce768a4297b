/** Places in a room as clients name them, and walking from one to the next over what they may see. */

import { MatrixError } from '#protocol/errors.ts'
import { canonicalString } from '#protocol/json/canonical.ts'
import { formatRoomToken, parseRoomToken } from '#protocol/tokens/room-token.ts'
import { parseSyncToken } from '#protocol/tokens/sync-token.ts'
import { readCluster } from '#storage/cluster/incarnation.ts'
import type { Reads } from '#storage/reads.ts'
import type { PlacedEvent } from '#storage/rooms/placed-events.ts'
import { timelinePage } from '#storage/rooms/timeline.ts'
import type { RoomSight } from './visible.ts'

/** A place between two live events: everything up to and with this position lies before it. */
export type Place = number

export type Direction = 'b' | 'f'

/** How many events one request looks at before it answers with what it has. */
const maxLookedAt = 5000
const pageSize = 100

/**
 * The place that a query parameter names: by a token of this room, or of a sync. Undefined without it, and for a token of a sync before the
 * database lost commits: its positions are those of other events by now, and what came instead must not be left out. Throws
 * M_INVALID_PARAM for every other text.
 */
export async function placeParam(
  reads: Reads,
  query: URLSearchParams,
  name: string,
  sight: RoomSight,
): Promise<Place | undefined> {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  const { shard } = sight.room
  const token = parseRoomToken(text)
  if (token !== undefined && token.shard === shard) return token.sub < 0 ? token.pos - 1 : token.pos
  const sync = parseSyncToken(text)
  const pos = sync?.positions[shard]
  if (sync === undefined || pos === undefined)
    throw new MatrixError('M_INVALID_PARAM', `The parameter "${name}" is not a token of this room.`)
  return sync.incarnation === (await readCluster(reads))?.incarnation ? pos : undefined
}

/** The token of the place directly behind a position. */
export function tokenBehind(sight: RoomSight, pos: number): string {
  return formatRoomToken({ shard: sight.room.shard, pos, sub: 0 })
}

/** The token of the place directly before a position. */
export function tokenBefore(sight: RoomSight, pos: number): string {
  return formatRoomToken({ shard: sight.room.shard, pos, sub: -1 })
}

/** Where to walk, and what to pick up. */
export interface Walk {
  readonly from: Place
  /** Where to stop. */
  readonly to: Place | undefined
  readonly direction: Direction
  readonly limit: number
  readonly wants: (placed: PlacedEvent) => boolean
}

export interface WalkResult {
  /** In the direction of the walk. */
  readonly events: readonly PlacedEvent[]
  /** The token to go on from; undefined where there is nothing more. */
  readonly next: string | undefined
  /** The token of where the walk ended. */
  readonly end: string
}

/** The visible and wanted events from one place on. */
export async function walkTimeline(reads: Reads, sight: RoomSight, walk: Walk): Promise<WalkResult> {
  const events: PlacedEvent[] = []
  const backwards = walk.direction === 'b'
  let at = walk.from
  for (let looked = 0; looked < maxLookedAt; looked += pageSize) {
    const page = await timelinePage(reads, {
      roomNid: sight.room.roomNid,
      direction: walk.direction,
      limit: pageSize,
      after: backwards ? (walk.to ?? 0) : at,
      upTo: backwards ? at : (walk.to ?? sight.room.head),
    })
    for (const placed of page) {
      if (events.length >= walk.limit) return more(events, tokenAt(sight, backwards, at))
      at = backwards ? placed.pos - 1 : placed.pos
      if (sight.maySee(placed.pos) && walk.wants(placed)) events.push(placed)
    }
    if (page.length < pageSize) return { events, next: undefined, end: tokenAt(sight, backwards, at) }
  }
  return more(events, tokenAt(sight, backwards, at))
}

function more(events: readonly PlacedEvent[], next: string): WalkResult {
  return { events, next, end: next }
}

function tokenAt(sight: RoomSight, backwards: boolean, at: Place): string {
  return backwards ? tokenBefore(sight, at + 1) : tokenBehind(sight, at)
}

/** `"name":"token"`, or nothing without one; preceded by a comma. */
export function tokenField(name: string, token: string | undefined): string {
  return token === undefined ? '' : `,"${name}":${canonicalString(token)}`
}
