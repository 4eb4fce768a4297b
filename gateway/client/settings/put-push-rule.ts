/**
 * PUT and DELETE /_matrix/client/v3/pushrules/global/{kind}/{ruleId}, PUT the same with /enabled and /actions
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3pushrulesglobalkindruleid
 */

import { z } from 'zod'
import type { JsonObject, JsonValue } from '#protocol/json/types.ts'
import type { PushRuleEdit } from '#actors/user/messages.ts'
import { anyJsonObject } from '../../http/body.ts'
import {
  defineEndpoint,
  type AnyEndpoint,
  type BodyDemand,
  type Requester,
  type RequestContext,
} from '../../http/endpoint.ts'

/** A rule takes a kilobyte at most; a body that is much larger is none. */
const maxBytes = 65_536

export const endpoint = editRule<JsonObject>(
  { method: 'PUT', suffix: '', body: { kind: 'json', maxBytes, schema: anyJsonObject } },
  ({ body, query }) => {
    const before = query.get('before')
    const after = query.get('after')
    return {
      op: 'put',
      rule: body,
      ...(before === null ? {} : { before }),
      ...(after === null ? {} : { after }),
    }
  },
)

export const deleteEndpoint = editRule<unknown>(
  { method: 'DELETE', suffix: '', body: { kind: 'none' } },
  () => ({ op: 'delete' }),
)

export const enabledEndpoint = editRule<{ enabled: boolean }>(
  {
    method: 'PUT',
    suffix: '/enabled',
    body: { kind: 'json', maxBytes, schema: z.looseObject({ enabled: z.boolean() }) },
  },
  ({ body }) => ({ op: 'enabled', enabled: body.enabled }),
)

export const actionsEndpoint = editRule<{ actions: unknown[] }>(
  {
    method: 'PUT',
    suffix: '/actions',
    body: { kind: 'json', maxBytes, schema: z.looseObject({ actions: z.array(z.unknown()) }) },
  },
  // The cast is sound: the body was parsed from JSON.
  ({ body }) => ({ op: 'actions', actions: body.actions as JsonValue[] }),
)

/** An edit without the rule that it is about, which stands in the path. */
type EditOf<E extends PushRuleEdit> = E extends unknown ? Omit<E, 'ruleKind' | 'ruleId'> : never

interface Shape<B> {
  readonly method: 'PUT' | 'DELETE'
  readonly suffix: string
  readonly body: BodyDemand<B>
}

function editRule<B>(
  { method, suffix, body }: Shape<B>,
  editOf: (context: RequestContext<B, Requester>) => EditOf<PushRuleEdit>,
): AnyEndpoint {
  return defineEndpoint<B>({
    method,
    path: [
      `/_matrix/client/v3/pushrules/global/:kind/:ruleId${suffix}`,
      `/_matrix/client/r0/pushrules/global/:kind/:ruleId${suffix}`,
    ],
    auth: 'user',
    rateLimit: 'write',
    body,
    handle: async (context) => {
      const { ask, params, requester, traceId } = context
      const rule = { ruleKind: params['kind'] ?? '', ruleId: params['ruleId'] ?? '' }
      await ask.ask('user', requester.userId, 'editPushRules', { ...rule, ...editOf(context) }, { traceId })
      return {}
    },
  })
}
