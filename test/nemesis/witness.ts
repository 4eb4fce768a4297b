/** Somebody who has a sync token of before a fault, and shows it afterwards. */

import type { Finding } from '../cluster/checker.ts'
import { register, type MatrixUser } from '../support/matrix.ts'
import type { Stage } from './stage.ts'

export class Witness {
  readonly #user: MatrixUser
  readonly #roomId: string
  readonly #token: string

  private constructor(parts: { user: MatrixUser; roomId: string; token: string }) {
    this.#user = parts.user
    this.#roomId = parts.roomId
    this.#token = parts.token
  }

  /** Takes part from now on. */
  static async of({ arena }: Stage): Promise<Witness> {
    const user = await register(arena.urls[0] ?? '', 'witness')
    const roomId = await user.createRoom()
    await user.text(roomId, 'before')
    return new Witness({ user, roomId, token: (await user.sync()).next_batch })
  }

  /** What is wrong, where the token should still be good, or should give the present state anew. */
  async shows(expected: 'good' | 'fresh'): Promise<Finding[]> {
    const { rooms } = await this.#user.sync(this.#token)
    const room = rooms?.join?.[this.#roomId]
    const events = [...(room?.state?.events ?? []), ...(room?.timeline?.events ?? [])]
    const isWhole = events.some(({ type }) => type === 'm.room.create')
    const isFresh = room?.timeline?.limited === true && isWhole
    if (expected === 'fresh') return isFresh ? [] : ['a token of before did not give the present state anew']
    return room === undefined ? [] : ['a token of before told of a room in which nothing had happened']
  }
}
