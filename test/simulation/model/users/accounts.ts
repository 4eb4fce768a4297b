/** Models `storage/users/accounts.ts`. */

import type * as real from '#storage/users/accounts.ts'
import { asked } from '../access.ts'

export const readAccount: typeof real.readAccount = (reads, userId) =>
  asked(reads, (tables) => {
    const row = tables.get('account', userId)
    if (row === undefined) return undefined
    // The casts state what the columns hold.
    return {
      userId,
      createdAt: row['created_at'] as number,
      passwordHash: (row['password_hash'] as string | null) ?? undefined,
      admin: row['admin'] as boolean,
      deactivatedAt: (row['deactivated_at'] as number | null) ?? undefined,
      erased: row['erased'] as boolean,
    }
  })

export const hasAccounts: typeof real.hasAccounts = (reads) =>
  asked(reads, (tables) => tables.all('account').length > 0)
