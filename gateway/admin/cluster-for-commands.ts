/** GET /_troupe/cluster: what `cluster.ts` answers, for `troupe status`. Whoever asks shows the operator token. */

import { type AnyEndpoint, defineEndpoint } from '../http/endpoint.ts'
import type { Look } from './look.ts'
import { checkOperator } from './operator-token.ts'

/** Where the command asks. */
export const clusterPath = '/_troupe/cluster'

/** The endpoint. Errors: M_MISSING_TOKEN, M_UNKNOWN_TOKEN (401). */
export function clusterForCommandsEndpoint(look: Look, operatorToken: string): AnyEndpoint {
  return defineEndpoint({
    method: 'GET',
    path: clusterPath,
    auth: 'none',
    rateLimit: 'none',
    body: { kind: 'none' },
    handle: ({ headers }) => {
      checkOperator(headers.authorization, operatorToken)
      return look()
    },
  })
}
