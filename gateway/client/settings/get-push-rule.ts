/**
 * GET /_matrix/client/v3/pushrules/global/{kind}/{ruleId}, and the same with /enabled and /actions
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3pushrulesglobalkindruleid
 */

import { MatrixError } from '#protocol/errors.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import { getRule } from '#protocol/push/ruleset.ts'
import { isRuleKind, type PushRule } from '#protocol/push/rule-types.ts'
import { defineEndpoint, type AnyEndpoint } from '../../http/endpoint.ts'
import { readStoredRules } from './account-data.ts'

// The cast is sound: rules are plain JSON.
export const endpoint = getPart('', (rule) => rule as unknown as JsonObject)

export const enabledEndpoint = getPart('/enabled', ({ enabled }) => ({ enabled }))

export const actionsEndpoint = getPart('/actions', ({ actions }) => ({ actions }))

function getPart(suffix: string, show: (rule: PushRule) => JsonObject): AnyEndpoint {
  return defineEndpoint({
    method: 'GET',
    path: [
      `/_matrix/client/v3/pushrules/global/:kind/:ruleId${suffix}`,
      `/_matrix/client/r0/pushrules/global/:kind/:ruleId${suffix}`,
    ],
    auth: 'user',
    rateLimit: 'read',
    body: { kind: 'none' },
    handle: async ({ params, reads, requester }) => {
      const kind = params['kind'] ?? ''
      // Clients look for rules of kinds that not every server knows.
      if (!isRuleKind(kind)) throw new MatrixError('M_NOT_FOUND', 'There is no such kind of push rule.')
      const address = { kind, ruleId: params['ruleId'] ?? '' }
      return show(getRule(requester.userId, await readStoredRules(reads, requester.userId), address))
    },
  })
}
