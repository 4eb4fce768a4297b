/** Models `storage/rooms/placed-events.ts`. */

import type * as real from '#storage/rooms/placed-events.ts'
import type { NodeId } from '#protocol/state/trie-node.ts'
import { asked } from '../access.ts'
import { eventOf } from '../rows.ts'

export const placedEvent: typeof real.placedEvent = async (reads, roomNid, eventId) =>
  (await placedEvents(reads, roomNid, [eventId]))[0]

export const placedEvents: typeof real.placedEvents = async (reads, roomNid, eventIds) =>
  eventIds.length === 0
    ? []
    : asked(reads, (tables) =>
        eventIds.flatMap((eventId) => {
          const nid = tables.eventIds.get(eventId)
          const event = eventOf(tables, nid ?? null)
          const pos = nid === undefined ? undefined : tables.events.get(nid)?.['pos']
          const row = tables.byRoom.get(roomNid)?.find((one) => one.pos === pos)
          if (event === undefined || row?.stateRoot == null) return []
          // The cast states what the column holds.
          return [{ event, pos: row.pos, stateRoot: row.stateRoot as NodeId }]
        }),
      )
