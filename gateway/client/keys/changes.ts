/**
 * GET /_matrix/client/v3/keys/changes
 * Client-server API v1.19, "End-to-end encryption".
 */

import { MatrixError } from '#protocol/errors.ts'
import { parseSyncToken } from '#protocol/tokens/sync-token.ts'
import { deviceListsBetween } from '#storage/sync/device-lists.ts'
import { readSyncHeads } from '#storage/sync/heads.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { requiredParam } from '../../http/query.ts'

export const endpoint = defineEndpoint<undefined>({
  method: 'GET',
  path: '/_matrix/client/v3/keys/changes',
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  async handle({ query, reads, requester }) {
    const heads = await readSyncHeads(reads)
    const from = positionsOf(query, 'from', heads)
    const to = positionsOf(query, 'to', heads)
    const { changed, left } = await deviceListsBetween(reads, requester.userId, { from, to })
    return { changed: [...changed], left: [...left] }
  },
})

/** Throws M_INVALID_PARAM for what is no token of this database as it is. */
function positionsOf(
  query: URLSearchParams,
  name: string,
  heads: { readonly incarnation: number; readonly positions: readonly number[] },
): readonly number[] {
  const token = parseSyncToken(requiredParam(query, name))
  if (token?.incarnation === heads.incarnation && token.positions.length === heads.positions.length)
    return token.positions
  throw new MatrixError('M_INVALID_PARAM', `The parameter "${name}" must be a token that /sync gave.`)
}
