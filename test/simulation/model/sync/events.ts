/** Models `storage/sync/events.ts`. */

import type * as real from '#storage/sync/events.ts'
import { asked } from '../access.ts'

export const readNumbersWithoutMembers: typeof real.readNumbersWithoutMembers = async (reads, nids) =>
  nids.length === 0
    ? []
    : asked(reads, (tables) =>
        nids.filter((nid) => {
          const event = tables.events.get(nid)
          return event !== undefined && event['type'] !== 'm.room.member'
        }),
      )

export const readRelatedIds: typeof real.readRelatedIds = async (reads, events) => {
  if (events.length === 0) return new Set()
  return asked(reads, (tables) => {
    const parents = new Set(
      tables.all('relation').map((row) => JSON.stringify([row['room_nid'], row['parent_id']])),
    )
    return new Set(
      events.flatMap(({ eventId, roomNid }) =>
        parents.has(JSON.stringify([roomNid, eventId])) ? [eventId] : [],
      ),
    )
  })
}
