/** Models what gateways and user actors ask of `storage/users/tokens.ts` in the simulation. */

import type * as real from '#storage/users/tokens.ts'
import { asked } from '../access.ts'
import type { Row } from '../tables.ts'

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

export const readDeviceTokens: typeof real.readDeviceTokens = (reads, userId, deviceId) =>
  asked(reads, (tables) => {
    const isHeld = (row: Row): boolean => row['user_id'] === userId && row['device_id'] === deviceId
    // False comes before true, and null before every number.
    const expiry = (row: Row): number => (row['expires_at'] as number | null) ?? Number.NEGATIVE_INFINITY
    const access = tables.all('access_token').filter(isHeld)
    const refresh = tables.all('refresh_token').filter(isHeld)
    return {
      access: access
        .toSorted((a, b) => Math.sign(expiry(a) - expiry(b)) || byHash(a, b))
        .map((row) => row['token_hash'] as string),
      refresh: refresh
        .toSorted((a, b) => Number(b['replaced']) - Number(a['replaced']) || byHash(a, b))
        .map((row) => ({ hash: row['token_hash'] as string, replaced: row['replaced'] === true })),
    }
  })

export const readLoginTokens: typeof real.readLoginTokens = (reads, userId) =>
  asked(reads, (tables) =>
    tables
      .all('login_token')
      .filter((row) => row['user_id'] === userId)
      .map((row) => ({ hash: row['token_hash'] as string, expiresAt: row['expires_at'] as number })),
  )

/** As Postgres compares what the text stands for. */
function byHash(a: Row, b: Row): number {
  const [left, right] = [a, b].map((row) => Buffer.from(row['token_hash'] as string, 'base64'))
  return Buffer.compare(left ?? Buffer.alloc(0), right ?? Buffer.alloc(0))
}
