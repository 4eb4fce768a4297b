/**
 * Typing as one user is told of it. It is kept in memory only: a counter with a random start stands in the token, its lowest
 * bit saying whether the client was left with somebody typing. A counter that this activation did not give means that the
 * present state is told once (DESIGN.md §4, "Token").
 */

import type { LogFeed } from '../../follow/feed.ts'
import type { Random } from '../../runtime/clock.ts'

/** Whom an answer is for. */
export interface TypingReader {
  /** In the token of the client; undefined: it has none, or one that means nothing here. */
  readonly counter: number | undefined
  /** Rooms that he was in at the time of that token and has been in ever since. */
  readonly steady: Iterable<string>
  /** Rooms that he is told as if for the first time. */
  readonly fresh: Iterable<string>
  /** Whether the client may know these all the same: from an earlier time in them, or by a token that means nothing here. */
  readonly mayKnow: boolean
}

export interface TypingNews {
  /** Who types in the rooms of which there is something to tell. */
  readonly rooms: ReadonlyMap<string, readonly string[]>
  /** For the token of a client that has been told this. */
  readonly counter: number
}

export class TypingChanges {
  readonly #start: number
  #now: number
  readonly #changedAt = new Map<string, number>()

  constructor(random: Random) {
    this.#start = Math.floor(random.fraction() * 2 ** 40)
    this.#now = this.#start
  }

  changed(roomId: string): void {
    this.#now++
    this.#changedAt.set(roomId, this.#now)
  }

  /** What there is to tell at this moment. What changes after it is told by the counter that comes with it. */
  since(feed: LogFeed, { counter, fresh, mayKnow, steady }: TypingReader): TypingNews {
    const rooms = new Map<string, readonly string[]>()
    const told = counter === undefined ? undefined : Math.floor(counter / 2)
    const isOurs = told !== undefined && told >= this.#start && told <= this.#now
    const wasTyping = counter !== undefined && counter % 2 === 1
    const isUnchanged = isOurs && told === this.#now
    let isTyping = isUnchanged && wasTyping
    const look = (roomId: string, tells: (userIds: readonly string[]) => boolean): void => {
      const { userIds } = feed.typing(roomId)
      isTyping ||= userIds.length > 0
      if (tells(userIds)) rooms.set(roomId, userIds)
    }
    for (const roomId of fresh) look(roomId, (userIds) => userIds.length > 0 || mayKnow)
    for (const roomId of isUnchanged ? [] : steady)
      look(roomId, (userIds) =>
        isOurs ? (this.#changedAt.get(roomId) ?? 0) > told : userIds.length > 0 || wasTyping,
      )
    return { rooms, counter: this.#now * 2 + (isTyping ? 1 : 0) }
  }
}
