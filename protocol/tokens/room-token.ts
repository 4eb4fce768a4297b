/**
 * A place in a room between two events: `prev_batch`, `start`, `end`, `next_batch` of everything that pages through a room
 * (DESIGN.md §4). Every event up to and with the key (pos, sub) lies before it, the others behind.
 *
 *   text = "r" shard "_" pos "_" sub, each a decimal integer
 */

/** A place in the order of arrival of a room of this shard. */
export interface RoomToken {
  readonly shard: number
  readonly pos: number
  /** 0 for live events, below for those that were fetched later for a gap. */
  readonly sub: number
}

const form = /^r(\d{1,9})_(\d{1,16})_(0|-[1-9]\d{0,15})$/

/** The token as text. */
export function formatRoomToken(token: RoomToken): string {
  return `r${token.shard}_${token.pos}_${token.sub}`
}

/** Reads what `formatRoomToken` writes; undefined for everything else. */
export function parseRoomToken(text: string): RoomToken | undefined {
  const [, shard, pos, sub] = form.exec(text) ?? []
  if (shard === undefined || pos === undefined || sub === undefined) return undefined
  const token = { shard: Number(shard), pos: Number(pos), sub: Number(sub) }
  const isExact = Number.isSafeInteger(token.pos) && Number.isSafeInteger(token.sub)
  return isExact && formatRoomToken(token) === text ? token : undefined
}

/** The place directly before an event, so that paging backwards goes on with the one before it. */
export function placeBefore(event: RoomToken): RoomToken {
  return { ...event, sub: event.sub - 1 }
}
