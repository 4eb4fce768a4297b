/** Who is typing: in memory only, and for as long as the client said. Client-server API v1.19, "Typing notifications". */

import { MatrixError } from '#protocol/errors.ts'
import { membershipOf } from '#protocol/events/read/membership.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { ActorContext } from '../runtime/contract.ts'
import type { Timer } from '../runtime/clock.ts'
import type { RoomCore } from './core.ts'
import type { SetTyping } from './messages.ts'

const maxTypingMs = 120_000
const maxTypers = 1000

export class TypingUsers {
  readonly #timers = new Map<string, Timer>()
  readonly #context: ActorContext
  readonly #roomId: RoomId

  constructor(context: ActorContext, roomId: RoomId) {
    this.#context = context
    this.#roomId = roomId
  }

  get anybody(): boolean {
    return this.#timers.size > 0
  }

  /** Starts, prolongs or ends typing. Throws M_FORBIDDEN for users who are not in the room. */
  async set(room: RoomCore, request: SetTyping): Promise<Record<string, never>> {
    const { timeoutMs, typing, userId } = request
    if (!typing) {
      this.stop(userId)
      return {}
    }
    const member = await room.state.settle(() => room.state.lookup('m.room.member', userId))
    if (member === undefined || membershipOf(member.content) !== 'join') {
      throw new MatrixError('M_FORBIDDEN', 'You are not in the room.')
    }
    this.#start(request, Math.min(Math.max(timeoutMs, 0), maxTypingMs))
    return {}
  }

  /** Ends the typing of a user: he said so, sent something, left, or fell silent. */
  stop(userId: string): void {
    const timer = this.#timers.get(userId)
    if (timer === undefined) return
    timer.cancel()
    this.#timers.delete(userId)
    this.#tell()
  }

  /** Ends everybody's typing, with the activation: nobody else would. */
  stopAll(): void {
    if (this.#timers.size === 0) return
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
    this.#tell()
  }

  #start({ userId }: SetTyping, timeoutMs: number): void {
    // The activation may have ended while the room was asked who is in it, and then nobody would ever end this.
    if (this.#context.signal.aborted) return
    const before = this.#timers.get(userId)
    if (before === undefined && this.#timers.size >= maxTypers) return
    before?.cancel()
    const body: SetTyping = { userId, typing: false, timeoutMs: 0 }
    const timer = this.#context.clock.after(timeoutMs, () => this.#context.enqueue({ kind: 'typing', body }))
    this.#timers.set(userId, timer)
    if (before === undefined) this.#tell()
  }

  #tell(): void {
    this.#context.ephemeral({ type: 'm.typing', roomId: this.#roomId, userIds: [...this.#timers.keys()] })
  }
}
