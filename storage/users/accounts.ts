/** Accounts of this server. */

import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'

export interface Account {
  readonly userId: UserId
  /** Milliseconds. */
  readonly createdAt: number
  /** Absent: nobody can log in with a password. */
  readonly passwordHash: string | undefined
  readonly admin: boolean
  /** Milliseconds; absent: the account is active. */
  readonly deactivatedAt: number | undefined
  readonly erased: boolean
}

/** The account, deactivated or not, or undefined: then the name is free. */
export async function readAccount(reads: Reads, userId: UserId): Promise<Account | undefined> {
  interface Row extends Omit<Account, 'passwordHash' | 'deactivatedAt'> {
    readonly passwordHash: string | null
    readonly deactivatedAt: number | null
  }
  const [row] = await reads.sql<Row[]>`
    select user_id as "userId", created_at as "createdAt", password_hash as "passwordHash", admin,
      deactivated_at as "deactivatedAt", erased
    from account where user_id = ${userId}`
  return (
    row && {
      ...row,
      passwordHash: row.passwordHash ?? undefined,
      deactivatedAt: row.deactivatedAt ?? undefined,
    }
  )
}

/** True as soon as the server has any account. */
export async function hasAccounts(reads: Reads): Promise<boolean> {
  return (await reads.sql`select from account limit 1`).length > 0
}
