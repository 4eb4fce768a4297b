/** What never changes of a room, kept for the whole process. */

import type { RoomId } from '#protocol/ids/room-id.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import { rulesFor } from '#protocol/versions/table.ts'
import type { Reads } from '#storage/reads.ts'
import { readRoomInfos } from '#storage/sync/rooms.ts'

export interface Room {
  readonly roomNid: number
  readonly roomId: RoomId
  readonly shard: number
  readonly rules: RoomVersionRules
}

export class RoomInfos {
  readonly #reads: Reads
  readonly #rooms = new Map<number, Room>()

  constructor(reads: Reads) {
    this.#reads = reads
  }

  /** A room that has been loaded before; throws for one that has not. */
  get(roomNid: number): Room {
    const room = this.#rooms.get(roomNid)
    if (room === undefined) throw new Error(`room ${roomNid} has not been loaded`)
    return room
  }

  has(roomNid: number): boolean {
    return this.#rooms.has(roomNid)
  }

  /** Makes these rooms known, in one statement where any is not yet. */
  async load(roomNids: readonly number[]): Promise<void> {
    const missing = roomNids.filter((nid) => !this.#rooms.has(nid))
    if (missing.length === 0) return
    for (const { roomNid, roomId, shard, version } of await readRoomInfos(this.#reads, missing)) {
      const rules = rulesFor(version)
      if (rules === undefined) throw new Error(`room ${roomId} has the unknown version ${version}`)
      this.#rooms.set(roomNid, { roomNid, roomId, shard, rules })
    }
  }
}
