/** Paths that name a user who must be the requester. */

import { MatrixError } from '#protocol/errors.ts'
import type { Requester, RequestContext } from '../http/endpoint.ts'

/** The requester's own id, named in the path. Throws M_FORBIDDEN for anybody else's. */
export function checkOwnUser(
  context: Pick<RequestContext<unknown, Requester>, 'params' | 'requester'>,
): void {
  if (context.params['userId'] === context.requester.userId) return
  throw new MatrixError('M_FORBIDDEN', 'Only your own data can be used in this way.')
}
