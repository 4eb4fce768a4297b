/**
 * GET /_matrix/client/v3/pushrules/ and /_matrix/client/v3/pushrules/global/
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3pushrules
 */

import { objectField } from '#protocol/json/types.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { readStoredRules, shownPushRules } from './account-data.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: [
    '/_matrix/client/v3/pushrules/',
    '/_matrix/client/v3/pushrules',
    '/_matrix/client/r0/pushrules/',
    '/_matrix/client/r0/pushrules',
  ],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: async ({ reads, requester }) =>
    shownPushRules(requester.userId, await readStoredRules(reads, requester.userId)),
})

export const globalEndpoint = defineEndpoint({
  method: 'GET',
  path: [
    '/_matrix/client/v3/pushrules/global/',
    '/_matrix/client/v3/pushrules/global',
    '/_matrix/client/r0/pushrules/global/',
    '/_matrix/client/r0/pushrules/global',
  ],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: async ({ reads, requester }) => {
    const rules = shownPushRules(requester.userId, await readStoredRules(reads, requester.userId))
    return objectField(rules, 'global') ?? {}
  },
})
