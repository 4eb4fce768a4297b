import { MatrixError } from '#protocol/errors.ts'
import type { Requester } from '../http/endpoint.ts'

/** Throws M_FORBIDDEN unless the account is one of an administrator. */
export function requireAdministrator({ userId, admin }: Requester): void {
  if (admin) return
  throw new MatrixError(
    'M_FORBIDDEN',
    `${userId} is not an administrator of this server. The command \`npx troupe user create NAME --admin\` makes an account that is one.`,
  )
}
