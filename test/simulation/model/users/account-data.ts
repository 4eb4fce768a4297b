/** Models `storage/users/account-data.ts`. */

import type * as real from '#storage/users/account-data.ts'
import { asked } from '../access.ts'

export const readAllAccountData: typeof real.readAllAccountData = (reads, userId) =>
  asked(reads, (tables) =>
    tables
      .all('account_data')
      .filter((row) => row['user_id'] === userId)
      // The casts state what the columns hold.
      .map((row) => ({
        roomId: row['room_id'] as string,
        type: row['type'] as string,
        content: row['content'] as string,
        pos: row['pos'] as number,
      }))
      .toSorted((a, b) => a.pos - b.pos),
  )
