/**
 * Typing as one user is told of it. It is kept in memory only: a counter with a random start stands in the token, its lowest
 * bit saying whether the client was left with somebody typing. A counter that this activation did not give means that the
 * present state is told once (DESIGN.md §4, "Token").
 */

import type { LogFeed } from '../../follow/feed.ts'
import type { Random } from '../../runtime/clock.ts'

export class TypingChanges {
  readonly #start: number
  #now: number
  readonly #changedAt = new Map<string, number>()
  readonly #typing = new Set<string>()

  constructor(random: Random) {
    this.#start = Math.floor(random.fraction() * 2 ** 40)
    this.#now = this.#start
  }

  changed(roomId: string, userIds: readonly string[]): void {
    this.#now++
    this.#changedAt.set(roomId, this.#now)
    this.#note(roomId, userIds)
  }

  /** The rooms of which there is something to tell to a client with this counter (undefined: none yet), and who types there. */
  since(
    feed: LogFeed,
    counter: number | undefined,
    roomIds: Iterable<string>,
  ): Map<string, readonly string[]> {
    const typing = new Map<string, readonly string[]>()
    const told = counter === undefined ? undefined : Math.floor(counter / 2)
    const isOurs = told !== undefined && told >= this.#start && told <= this.#now
    if (isOurs && told === this.#now) return typing
    const wasTyping = counter !== undefined && counter % 2 === 1
    for (const roomId of roomIds) {
      const { userIds } = feed.typing(roomId)
      const tell = isOurs ? (this.#changedAt.get(roomId) ?? 0) > told : userIds.length > 0 || wasTyping
      this.#note(roomId, userIds)
      if (tell) typing.set(roomId, userIds)
    }
    return typing
  }

  /** How far typing has come. What changes after this call may be told once more than needed, and is never left out. */
  get reached(): number {
    return this.#now
  }

  /** The counter for a token with which everything has been told that was `reached`. */
  counter(reached: number): number {
    return reached * 2 + (this.#typing.size > 0 ? 1 : 0)
  }

  #note(roomId: string, userIds: readonly string[]): void {
    if (userIds.length > 0) this.#typing.add(roomId)
    else this.#typing.delete(roomId)
  }
}
