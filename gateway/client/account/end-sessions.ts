/** The end of some or all of the requester's sessions. */

import type { Requester, RequestContext } from '../../http/endpoint.ts'
import { spread } from './spread.ts'

/** Ends sessions with their devices, and answers when the rooms know of it and this gateway takes their tokens no more. */
export async function endSessions(
  context: Pick<RequestContext<unknown, Requester>, 'ask' | 'requester' | 'traceId' | 'endSessions'>,
  deviceIds: readonly string[] | 'all',
): Promise<void> {
  const { ask, requester, traceId } = context
  await ask.ask('user', requester.userId, 'logout', { deviceIds }, { traceId })
  context.endSessions(requester.userId, deviceIds)
  await spread(context, requester.userId, traceId)
}
