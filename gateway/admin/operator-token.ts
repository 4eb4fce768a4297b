import { createHash, timingSafeEqual } from 'node:crypto'
import { MatrixError } from '#protocol/errors.ts'

/**
 * Lets only the server's own commands pass: they know the operator token, which lies in the database and nowhere else; he who can read
 * it there owns the server anyway. Throws M_MISSING_TOKEN and M_UNKNOWN_TOKEN (401).
 */
export function checkOperator(header: string | undefined, operatorToken: string): void {
  const given = /^Bearer (.+)$/.exec(header ?? '')?.[1]
  if (given === undefined) throw new MatrixError('M_MISSING_TOKEN', 'This request needs the operator token.')
  // Hashes are compared, so that neither time nor length tells anything of the token.
  if (!timingSafeEqual(sha256(given), sha256(operatorToken))) {
    throw new MatrixError('M_UNKNOWN_TOKEN', 'This is not the operator token.')
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
