/** Rows of the log as the driver gives them, and as the program passes them around. */

import { parseJson } from '#protocol/json/parse.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import { nodeIdFromBytes } from '#protocol/state/trie-node.ts'
import type { LogEntry } from '../entry.ts'
import { logKindName, membershipName } from '../log-kinds.ts'
import { type EventRow, toEvent } from '../rooms/rows.ts'

/** A row of `log` with what belongs to it. */
export interface LogColumns {
  readonly shard_id: number
  readonly pos: number
  readonly epoch: number
  readonly kind: number
  readonly room_nid: number | null
  readonly room_id: RoomId | null
  readonly user_id: UserId | null
  readonly membership: number | null
  readonly prev_membership: number | null
  readonly state_root: Uint8Array | null
  readonly body: string | null
}

/** The entry that a row holds, or undefined for a kind that a newer program wrote. */
export function entryOf(row: LogColumns, event?: EventRow): LogEntry | undefined {
  const kind = logKindName(row.kind)
  if (kind === undefined) return undefined
  return {
    shard: row.shard_id,
    pos: row.pos,
    epoch: row.epoch,
    kind,
    roomId: row.room_id ?? undefined,
    roomNid: row.room_nid ?? undefined,
    event: event && toEvent(event),
    userId: row.user_id ?? undefined,
    membership: membershipName(row.membership),
    prevMembership: membershipName(row.prev_membership),
    stateRoot: row.state_root === null ? undefined : nodeIdFromBytes(row.state_root),
    // The cast states what was written: a body is an object by kind, see `log-kinds.ts`.
    body: row.body === null ? undefined : (parseJson(row.body) as JsonObject),
  }
}
