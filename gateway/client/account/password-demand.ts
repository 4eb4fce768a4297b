/** The demand of a request that only its user may make, shown by his password. */

import type { Requester } from '../../http/endpoint.ts'
import type { Demand } from '../uia.ts'

/** User-interactive authentication by the requester's own password. */
export function passwordDemand(operation: string, requester: Requester): Demand {
  return { operation, flows: [['m.login.password']], userId: requester.userId }
}
