/**
 * The newest events of a room, by what repeated requests and receipts name them by: transaction key and event id. A window: what is older
 * is found in Postgres.
 */

import type { EventId } from '#protocol/ids/event-id.ts'
import type { LogRef } from '#storage/writes.ts'

const windowSize = 1000

/** Where an event stands in its room; a `LogRef` while its commit is under way. */
type Place = number | LogRef

export class RecentEvents {
  readonly #byTxn = new Map<string, EventId>()
  readonly #places = new Map<EventId, Place>()

  add(eventId: EventId, place: Place, txnKey: string | undefined): void {
    this.#places.set(eventId, place)
    if (txnKey !== undefined) this.#byTxn.set(txnKey, eventId)
    dropOldest(this.#places)
    dropOldest(this.#byTxn)
  }

  /** The event that was made for a transaction. */
  eventOf(txnKey: string): EventId | undefined {
    return this.#byTxn.get(txnKey)
  }

  /** The position of an event in the room's shard; undefined when it is older than the window or not committed yet. */
  positionOf(eventId: EventId): number | undefined {
    const place = this.#places.get(eventId)
    if (typeof place === 'number' || place === undefined) return place
    return place.isPlaced ? place.pos : undefined
  }
}

function dropOldest(map: Map<string, unknown>): void {
  if (map.size <= windowSize) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
