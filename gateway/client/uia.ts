/**
 * User-interactive authentication for endpoints. Client-server API v1.19, "User-Interactive Authentication API".
 *
 *   no `auth` ─────────► 401 with flows and a new session
 *   `auth` with a stage ─► verified here, noted in the session's actor ─► 401 with what is still to do, or done: the session is used up
 *   a session that is unknown, over, or for another request ─► 401 with a new session
 *   one whose actor has forgotten it, for its shard has moved ─► goes on (dialogue-ids.ts)
 *
 * A session serves exactly one operation: method, path, user, device and body (without `auth`) of the request that opened it.
 */

import { hash, timingSafeEqual } from 'node:crypto'
import { MatrixError } from '#protocol/errors.ts'
import { canonicalJson } from '#protocol/json/canonical.ts'
import { objectField, stringField, type JsonObject, type JsonValue } from '#protocol/json/types.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import { readAccount } from '#storage/users/accounts.ts'
import { Answer, type RequestContext, type Requester } from '../http/endpoint.ts'
import { localUserId } from './account/user-name.ts'

/** Stages that this server can verify. */
export type Stage = 'm.login.password' | 'm.login.dummy' | 'm.login.registration_token' | 'm.login.terms'

type Context = RequestContext<Readonly<Record<string, unknown>>, Requester | undefined>

/** What an endpoint asks for before it goes on. */
export interface Demand {
  /** Name of the operation: method and path with its parameters. */
  readonly operation: string
  readonly flows: readonly (readonly Stage[])[]
  /** By stage what a client must know for it. */
  readonly params?: JsonObject
  /** Whose password counts. */
  readonly userId?: UserId
}

/**
 * Takes a request through user-interactive authentication. Returns the 401 answer with which it goes on, or undefined when the flow is
 * completed and the endpoint may act. Throws M_FORBIDDEN (403) when somebody else's password is given, M_LIMIT_EXCEEDED.
 */
export async function interact(context: Context, demand: Demand): Promise<Answer | undefined> {
  const auth = objectField(bodyOf(context), 'auth')
  const operation = operationHash(context, demand)
  const type = auth && stringField(auth, 'type')
  const given = auth && stringField(auth, 'session')
  const session = given !== undefined && isSessionId(given) ? given : context.dialogueIds.make(operation)
  const dialogue = { session, operation }
  if (auth === undefined || (type === undefined && given === undefined)) {
    return challenge(demand, await openDialogue(context, demand, dialogue))
  }
  if (given === undefined) await openDialogue(context, demand, dialogue)
  const problem = type === undefined ? undefined : await verifyStage(context, demand, { type, auth })
  if (problem !== undefined) return challenge(demand, { session, completed: [], problem })
  return finish(context, demand, { ...dialogue, type })
}

interface Dialogue {
  readonly session: string
  readonly operation: string
}

interface Progress {
  readonly session: string
  readonly completed: readonly string[]
  readonly problem?: MatrixError
}

interface Step extends Dialogue {
  /** The stage that has been verified; undefined: the client asks whether all is done. */
  readonly type: string | undefined
}

/** Notes the stage, and uses the session up once a flow is complete. Where the session is of no use a new one is offered. */
async function finish(context: Context, demand: Demand, step: Step): Promise<Answer | undefined> {
  const { operation, session } = step
  try {
    return await takeStep(context, demand, step).catch(async (error: unknown) => {
      if (!isUnknown(error) || !context.dialogueIds.isOurs(session, operation)) throw error
      await openDialogue(context, demand, step)
      return takeStep(context, demand, step)
    })
  } catch (error) {
    if (!(error instanceof MatrixError) || error.status >= 429) throw error
    const fresh = await openDialogue(context, demand, {
      session: context.dialogueIds.make(operation),
      operation,
    })
    return challenge(demand, { ...fresh, problem: error })
  }
}

async function takeStep(context: Context, demand: Demand, step: Step): Promise<Answer | undefined> {
  const { ask, traceId } = context
  const { operation, session, type } = step
  if (type !== undefined) {
    const body = { operation, stage: type }
    const { completed, done } = await ask.ask('interaction', session, 'complete', body, { traceId })
    if (!done) return challenge(demand, { session, completed })
  }
  await ask.ask('interaction', session, 'close', { operation }, { traceId })
  return undefined
}

/** The session's actor knows nothing of it. */
function isUnknown(error: unknown): boolean {
  return error instanceof MatrixError && error.errcode === 'M_UNKNOWN' && error.status === 400
}

async function openDialogue(context: Context, demand: Demand, dialogue: Dialogue): Promise<Progress> {
  const { session, operation } = dialogue
  const request = { operation, flows: demand.flows }
  const { completed } = await context.ask.ask('interaction', session, 'open', request, {
    traceId: context.traceId,
  })
  return { session, completed }
}

/** The 401 answer that says what is still to do. */
function challenge(demand: Demand, progress: Progress): Answer {
  const { session, completed, problem } = progress
  const body: JsonObject = {
    ...(problem === undefined ? {} : { errcode: problem.errcode, error: problem.message }),
    flows: demand.flows.map((stages) => ({ stages })),
    params: demand.params ?? {},
    session,
    ...(completed.length === 0 ? {} : { completed }),
  }
  return Answer.json(JSON.stringify(body), 401)
}

/** Checks what a client says to a stage. Returns why it does not do, undefined if it does. */
async function verifyStage(
  context: Context,
  demand: Demand,
  { type, auth }: { readonly type: string; readonly auth: JsonObject },
): Promise<MatrixError | undefined> {
  if (!demand.flows.some((flow) => flow.some((stage) => stage === type))) {
    return new MatrixError('M_FORBIDDEN', 'This stage is not offered here.')
  }
  switch (type as Stage) {
    case 'm.login.dummy':
    case 'm.login.terms':
      return undefined
    case 'm.login.registration_token':
      return checkRegistrationToken(context, stringField(auth, 'token') ?? '')
        ? undefined
        : new MatrixError('M_UNAUTHORIZED', 'The registration token is not valid.')
    case 'm.login.password':
      return verifyPassword(context, demand, auth)
  }
}

/** Whether a text is the registration token in force. The comparison takes the same time for all texts. */
export function checkRegistrationToken(context: Pick<Context, 'config'>, token: string): boolean {
  const { registration, registrationToken } = context.config
  if (registration !== 'token' || registrationToken === undefined) return false
  return timingSafeEqual(hash('sha256', token, 'buffer'), hash('sha256', registrationToken, 'buffer'))
}

async function verifyPassword(
  context: Context,
  demand: Demand,
  auth: JsonObject,
): Promise<MatrixError | undefined> {
  const { userId } = demand
  const password = stringField(auth, 'password')
  if (userId === undefined || password === undefined) {
    return new MatrixError('M_MISSING_PARAM', 'The stage m.login.password needs "identifier" and "password".')
  }
  const named = userNamedBy(auth)
  if (named !== undefined && localUserId(named, context.config.serverName) !== userId) {
    throw new MatrixError('M_FORBIDDEN', 'The password must be that of the user who makes the request.')
  }
  context.limits.take('login', `account ${userId}`)
  const account = await readAccount(context.reads, userId)
  const right = await context.passwords.verify(password, account?.passwordHash)
  return right ? undefined : new MatrixError('M_FORBIDDEN', 'The password is wrong.')
}

/** The user in an `identifier` of type m.id.user, or in the older field `user`; undefined where neither is there. */
export function userNamedBy(body: JsonObject): string | undefined {
  const identifier = objectField(body, 'identifier')
  if (identifier === undefined) return stringField(body, 'user')
  return stringField(identifier, 'type') === 'm.id.user' ? stringField(identifier, 'user') : undefined
}

/** A hash of everything that a session is bound to. */
function operationHash(context: Context, demand: Demand): string {
  const { auth: _auth, ...body } = bodyOf(context)
  const { requester } = context
  const what: JsonValue = [
    demand.operation,
    requester?.userId ?? '',
    requester?.deviceId ?? '',
    canonicalJson(body, 'lax'),
  ]
  return hash('sha256', JSON.stringify(what), 'base64url')
}

/** The cast is sound: a body was parsed from JSON. */
function bodyOf(context: Context): JsonObject {
  return context.body as JsonObject
}

/** True for what may be an actor's key: one that this server has made looks like that. */
function isSessionId(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(text)
}
