/** How many members a room has, and the first few of them; shared by everybody on the host who is told of the room. */

import type { Reads } from '#storage/reads.ts'
import { type MemberCounts, readMemberCounts } from '#storage/sync/members.ts'

export interface RoomPlace {
  readonly roomNid: number
  readonly pos: number
}

/** A place with how far the room's rows have reached this host; −1 where that is not known. */
export interface HeardPlace extends RoomPlace {
  readonly heardTo: number
}

interface Latest {
  readonly pos: number
  readonly counts: MemberCounts
}

const maxRooms = 5000
const maxExact = 5000

export class RoomCounts {
  readonly #reads: Reads
  /** At a position that is committed, a room's members stay what they were. */
  readonly #exact = new Map<string, MemberCounts | Promise<MemberCounts>>()
  /** As of a position since which nobody has come or gone. */
  readonly #latest = new Map<number, Latest>()
  /** How often the latest of a room has become void: what was asked for before that is not kept as such. */
  readonly #voided = new Map<number, number>()

  constructor(reads: Reads) {
    this.#reads = reads
  }

  /** Somebody's membership has changed at this position. */
  changed(roomNid: number, pos: number): void {
    const latest = this.#latest.get(roomNid)
    if (latest === undefined || latest.pos < pos) this.forget(roomNid)
  }

  /** Changes of membership of this room may have gone by unnoticed. */
  forget(roomNid: number): void {
    this.#latest.delete(roomNid)
    this.#voided.set(roomNid, this.#voidedOf(roomNid) + 1)
  }

  /** Rows may have gone by unnoticed, and positions may be those of other rows: a database that has lost commits gives them again. */
  broken(): void {
    this.#exact.clear()
  }

  /** Members at a position. Up to `heardTo`, every change of the room's memberships has been told to `changed`. */
  at(place: HeardPlace): MemberCounts | Promise<MemberCounts> {
    const latest = this.#latest.get(place.roomNid)
    if (latest !== undefined && latest.pos <= place.pos && place.pos <= place.heardTo) return latest.counts
    return this.#exact.get(keyOf(place)) ?? this.#read(place)
  }

  /** Members at about a position: the latest that is known will do. For what needs no exactness, such as push rules. */
  about(place: HeardPlace): MemberCounts | Promise<MemberCounts> {
    const latest = this.#latest.get(place.roomNid)
    return latest?.counts ?? this.at({ ...place, pos: Math.max(place.pos, place.heardTo) })
  }

  /** Makes what will be asked for known, in one statement. */
  async load(places: readonly HeardPlace[]): Promise<void> {
    const missing = places.filter((place) => {
      const latest = this.#latest.get(place.roomNid)
      const isKnown = latest !== undefined && latest.pos <= place.pos && place.pos <= place.heardTo
      return !isKnown && !this.#exact.has(keyOf(place))
    })
    if (missing.length === 0) return
    const voided = missing.map((place) => this.#voidedOf(place.roomNid))
    const found = new Map<number, MemberCounts>()
    for (const counts of await readMemberCounts(this.#reads, missing)) found.set(counts.roomNid, counts)
    for (const [i, place] of missing.entries()) {
      this.#keep(place, found.get(place.roomNid) ?? nobody(place.roomNid), voided[i])
    }
  }

  #voidedOf(roomNid: number): number {
    return this.#voided.get(roomNid) ?? 0
  }

  #read(place: HeardPlace): Promise<MemberCounts> {
    const voided = this.#voidedOf(place.roomNid)
    const key = keyOf(place)
    const reading = readMemberCounts(this.#reads, [place]).then(
      ([counts = nobody(place.roomNid)]) => {
        this.#keep(place, counts, voided)
        return counts
      },
      (error: unknown) => {
        this.#exact.delete(key)
        throw error
      },
    )
    this.#exact.set(key, reading)
    return reading
  }

  #keep(place: HeardPlace, counts: MemberCounts, voided: number | undefined): void {
    if (this.#exact.size >= maxExact) this.#exact.clear()
    this.#exact.set(keyOf(place), counts)
    // Only what stood at the head, and still does, can serve for later positions.
    if (place.heardTo < 0 || place.pos < place.heardTo || voided !== this.#voidedOf(place.roomNid)) return
    if (this.#latest.size >= maxRooms) this.#latest.clear()
    this.#latest.set(place.roomNid, { pos: place.pos, counts })
  }
}

function keyOf(place: RoomPlace): string {
  return `${place.roomNid} ${place.pos}`
}

function nobody(roomNid: number): MemberCounts {
  return { roomNid, joined: 0, invited: 0, heroes: [], former: [] }
}
