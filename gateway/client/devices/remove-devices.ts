/** Removes devices of the requester once he has shown that he is himself. */

import type { Answer, Requester, RequestContext } from '../../http/endpoint.ts'
import { passwordDemand } from '../account/password-demand.ts'
import { spread } from '../account/spread.ts'
import { interact } from '../uia.ts'

type Context = RequestContext<Readonly<Record<string, unknown>>, Requester>

/** The empty answer, or the 401 with which user-interactive authentication goes on. Devices that do not exist are no error. */
export async function removeDevices(
  context: Context,
  operation: string,
  deviceIds: readonly string[],
): Promise<Answer | Record<string, never>> {
  const { ask, requester, traceId } = context
  const unfinished = await interact(context, passwordDemand(operation, requester))
  if (unfinished !== undefined) return unfinished
  const request = { deviceIds, askedFrom: requester.deviceId }
  await ask.ask('user', requester.userId, 'deleteDevices', request, { traceId })
  context.endSessions(requester.userId, deviceIds)
  await spread(context, requester.userId, traceId)
  return {}
}
