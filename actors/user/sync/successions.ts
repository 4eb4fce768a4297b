/** Which of the user's rooms replace another one, as the rows of his joining say. */

import { isRoomId, type RoomId } from '#protocol/ids/room-id.ts'
import type { Succession } from '#protocol/push/succession.ts'
import type { LogEntry } from '#storage/entry.ts'

export class Successions {
  /** Rooms that have not been handed on yet. */
  readonly #open = new Map<RoomId, Succession>()

  /** Takes up one of the user's own rows, in their order. */
  apply({ body, membership, prevMembership, roomId }: LogEntry): void {
    if (roomId === undefined || membership === undefined || membership === prevMembership) return
    const from = body?.['predecessor']
    if (membership === 'join' && typeof from === 'string' && isRoomId(from)) {
      this.#open.set(roomId, { from, to: roomId })
    } else this.#open.delete(roomId)
  }

  /** Those that are new since the last call. */
  take(): readonly Succession[] {
    if (this.#open.size === 0) return none
    const taken = [...this.#open.values()]
    this.#open.clear()
    return taken
  }
}

const none: readonly Succession[] = []
