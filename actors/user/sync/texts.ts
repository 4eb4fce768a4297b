/** Events as text for clients: each is serialised once per process, whoever reads it. */

import { parseJson } from '#protocol/json/parse.ts'
import { clientEventJson } from '#protocol/events/client-format.ts'
import type { Pdu } from '#protocol/events/pdu.ts'
import { type Unsigned, unsignedText } from '#protocol/events/present.ts'
import { isJsonObject, objectField, type JsonObject } from '#protocol/json/types.ts'
import type { StoredEvent } from '#storage/entry.ts'
import type { Room } from './room-infos.ts'

const maxCached = 20_000

export class EventTexts {
  readonly #byObject = new WeakMap<StoredEvent, string>()
  readonly #byNumber = new Map<number, { readonly json: string; readonly head: string }>()
  readonly #contents = new WeakMap<StoredEvent, JsonObject>()

  /** The parsed content. */
  content(event: StoredEvent): JsonObject {
    return this.#contents.getOrInsertComputed(event, () => contentOf(event))
  }

  /** The client form without a room id and without `unsigned`; opens the object and does not close it. */
  head(event: StoredEvent, room: Room): string {
    return this.#byObject.getOrInsertComputed(event, () => this.#headOf(event, room))
  }

  /** The whole client form, as `/sync` has it: without a room id. */
  whole(event: StoredEvent, room: Room, unsigned: Unsigned): string {
    return `${this.head(event, room)},"unsigned":${unsignedText(unsigned)}}`
  }

  #headOf(event: StoredEvent, room: Room): string {
    const known = this.#byNumber.get(event.nid)
    // An event's text changes once, when it is redacted.
    if (known?.json === event.json) return known.head
    // The cast states what was checked before the event was stored.
    const pdu = parseJson(event.json) as Pdu
    const { head } = clientEventJson(room.rules, pdu, { eventId: event.eventId, roomId: room.roomId })
    if (this.#byNumber.size >= maxCached) this.#forgetOldest()
    this.#byNumber.set(event.nid, { json: event.json, head })
    return head
  }

  #forgetOldest(): void {
    let excess = maxCached / 10
    for (const nid of this.#byNumber.keys()) {
      if (excess-- <= 0) return
      this.#byNumber.delete(nid)
    }
  }
}

function contentOf(event: StoredEvent): JsonObject {
  const pdu = parseJson(event.json)
  return (isJsonObject(pdu) && objectField(pdu, 'content')) || {}
}
