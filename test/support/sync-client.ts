/** A client that folds sync responses into what it knows, as the specification tells clients to. */

import type { Response } from './sync-world.ts'

export interface KnownRoom {
  /** Type and state key → event id. */
  readonly state: Map<string, string>
  /** Event ids, since the last gap. */
  timeline: string[]
  unread: Response
  summary: Record<string, unknown>
}

export class SyncClient {
  readonly joined = new Map<string, KnownRoom>()
  readonly invited = new Set<string>()
  readonly knocked = new Set<string>()
  readonly left = new Set<string>()
  since: string | undefined
  /** Every event id that came in a timeline, to find what came twice. */
  readonly #seen = new Map<string, Set<string>>()

  fold(response: Response, stateAfter = false): void {
    this.since = response.next_batch
    const { join = {}, invite = {}, knock = {}, leave = {} } = response.rooms ?? {}
    for (const [roomId, room] of Object.entries(join)) {
      this.#forget(roomId)
      this.#foldRoom(roomId, room, stateAfter)
    }
    for (const roomId of Object.keys(invite)) this.#move(roomId, this.invited)
    for (const roomId of Object.keys(knock)) this.#move(roomId, this.knocked)
    for (const roomId of Object.keys(leave)) this.#move(roomId, this.left)
  }

  #forget(roomId: string): void {
    for (const set of [this.invited, this.knocked, this.left]) set.delete(roomId)
  }

  #move(roomId: string, to: Set<string>): void {
    this.#forget(roomId)
    this.joined.delete(roomId)
    this.#seen.delete(roomId)
    to.add(roomId)
  }

  #foldRoom(roomId: string, update: Response, stateAfter: boolean): void {
    const room = this.joined.getOrInsertComputed(roomId, () => ({
      state: new Map(),
      timeline: [],
      unread: undefined,
      summary: {},
    }))
    const seen = this.#seen.getOrInsertComputed(roomId, () => new Set())
    const { events, limited } = update.timeline
    if (limited) {
      room.timeline = []
      seen.clear()
    }
    const states = stateAfter ? update.state_after.events : [...update.state.events, ...events]
    for (const event of states) {
      if (event.state_key !== undefined) room.state.set(`${event.type} ${event.state_key}`, event.event_id)
    }
    for (const event of events) {
      if (seen.has(event.event_id)) throw new Error(`${event.event_id} came twice`)
      seen.add(event.event_id)
      room.timeline.push(event.event_id)
    }
    room.unread = update.unread_notifications
    Object.assign(room.summary, update.summary)
  }
}
