/**
 * GET /_matrix/client/v3/sync
 * Client-server API v1.19, "Syncing".
 */

import { MatrixError } from '#protocol/errors.ts'
import type { SyncRequest } from '#actors/user/messages.ts'
import { readFilter } from '#storage/users/filters.ts'
import { onDrain } from '../../http/drain-watch.ts'
import { Answer, defineEndpoint, type Requester, type RequestContext } from '../../http/endpoint.ts'
import { booleanParam, choiceParam, integerParam } from '../../http/query.ts'

/** The longest that a client may wait, and by how much the way to the user's actor may take longer. Milliseconds. */
const maxTimeoutMs = 30_000
const graceMs = 15_000

type Context = RequestContext<undefined, Requester>

export const endpoint = defineEndpoint<undefined>({
  method: 'GET',
  path: ['/_matrix/client/v3/sync', '/_matrix/client/r0/sync'],
  auth: 'user',
  rateLimit: 'none',
  body: { kind: 'none' },
  async handle(context) {
    const { query, requester } = context
    const timeoutMs = integerParam(query, 'timeout', { fallback: 0, cap: maxTimeoutMs })
    const since = query.get('since')
    const filter = await filterOf(context)
    const setPresence = choiceParam(query, 'set_presence', ['offline', 'online', 'unavailable'])
    const request = {
      deviceId: requester.deviceId,
      timeoutMs,
      fullState: booleanParam(query, 'full_state', false),
      useStateAfter: booleanParam(query, 'use_state_after', false),
      ...(since === null || since === '' ? undefined : { since }),
      ...(filter === undefined ? undefined : { filter }),
      ...(setPresence === undefined ? undefined : { setPresence }),
    }
    return Answer.json(bodyOf(await askPatiently(context, request)))
  },
})

/** Asks the user's actor. When this server begins to end the client is told what there is, and goes on at another one. */
async function askPatiently(context: Context, request: SyncRequest): Promise<unknown> {
  if (request.timeoutMs === 0 || context.draining.aborted)
    return askOnce(context, { ...request, timeoutMs: 0 })
  const asked = askOnce(context, request)
  const drained = Promise.withResolvers<'drained'>()
  const forget = onDrain(context.draining, () => drained.resolve('drained'))
  try {
    const first = await Promise.race([asked, drained.promise])
    // What was asked first is answered to nobody, and takes nothing with it: only the next `since` confirms what was told.
    return first === 'drained' ? await askOnce(context, { ...request, timeoutMs: 0 }) : first
  } finally {
    forget()
  }
}

function askOnce({ ask, requester, signal, traceId }: Context, request: SyncRequest): Promise<unknown> {
  const timeoutMs = request.timeoutMs + graceMs
  return ask.ask('user', requester.userId, 'sync', request, { timeoutMs, signal, traceId })
}

/**
 * The filter as JSON text: "The server will detect whether it is an ID or a JSON object by whether the first character is a `"{"`".
 * Throws M_INVALID_PARAM for an id that is not one of the user's.
 */
async function filterOf(context: Context): Promise<string | undefined> {
  const filter = context.query.get('filter')
  if (filter === null || filter === '') return undefined
  if (filter.startsWith('{')) return filter
  const stored = await readFilter(context.reads, context.requester.userId, filter)
  if (stored === undefined) throw new MatrixError('M_INVALID_PARAM', 'There is no filter of this id.')
  return stored
}

/** The response travels as text beside the reply's head. */
function bodyOf(reply: unknown): string {
  if (typeof reply === 'object' && reply !== null && 'body' in reply && typeof reply.body === 'string')
    return reply.body
  throw new Error('the reply to a sync has no body')
}
