/** Answers a request when the rooms know of a changed device list or profile. */

import type { UserId } from '#protocol/ids/user-id.ts'
import { MatrixError } from '#protocol/errors.ts'
import type { Services } from '../../http/endpoint.ts'

/** Milliseconds for which an answer waits for rooms. */
const patienceMs = 10_000

/**
 * Waits until the user's local rooms have what has just been stored. When one of them does not answer the request is done all the
 * same: the change is durable, and the room will be told.
 */
export async function spread({ ask }: Pick<Services, 'ask'>, userId: UserId, traceId: string): Promise<void> {
  try {
    await ask.ask('user', userId, 'spread', {}, { traceId, timeoutMs: patienceMs })
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
  }
}
