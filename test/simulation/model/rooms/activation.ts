/** Models `storage/rooms/activation.ts`. */

import type * as real from '#storage/rooms/activation.ts'
import type { EventId } from '#protocol/ids/event-id.ts'
import type { NodeId } from '#protocol/state/trie-node.ts'
import { asked } from '../access.ts'
import { eventOf, lastOf, roomLog, roomOf } from '../rows.ts'

export const roomStanding: typeof real.roomStanding = (reads, roomId) =>
  asked(reads, (tables) => {
    const roomNid = tables.roomIds.get(roomId)
    const room = roomOf(tables, roomNid ?? null)
    if (roomNid === undefined || room === undefined) return undefined
    const last = lastOf(
      roomLog(tables, { roomNid }),
      (row) => row.eventNid !== null && row.stateRoot !== null,
    )
    if (last?.eventNid == null) return undefined
    return {
      roomNid,
      version: String(room['version']),
      // The cast states what the column holds.
      root: last.stateRoot as NodeId,
      tips: last.tips ?? [last.eventNid],
      userShards: BigInt.asUintN(64, BigInt(last.userShards ?? '0')),
    }
  })

export const recentEvents: typeof real.recentEvents = (reads, roomNid, limit) =>
  asked(reads, (tables) =>
    roomLog(tables, { roomNid })
      .filter((row) => row.eventNid !== null)
      .slice(-limit)
      .map((row) => ({
        eventId: eventOf(tables, row.eventNid)?.eventId ?? ('' as EventId),
        pos: row.pos,
        txnKey: row.txnKey ?? undefined,
      })),
  )
