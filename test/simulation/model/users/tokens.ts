/** Models what user actors ask of `storage/users/tokens.ts` in the simulation. */

import type * as real from '#storage/users/tokens.ts'
import { asked } from '../access.ts'

export const readSession: typeof real.readSession = (reads, tokenHash) =>
  asked(reads, (tables) => {
    const row = tables.get('access_token', tokenHash)
    if (row === undefined) return undefined
    // The casts state what the columns hold.
    return {
      userId: row['user_id'] as real.Session['userId'],
      deviceId: row['device_id'] as string,
      admin: tables.get('account', row['user_id'])?.['admin'] === true,
      expiresAt: (row['expires_at'] as number | null) ?? undefined,
    }
  })
