/** Tokens by their hash: SHA-256 of the token, in base64. The tokens themselves are nowhere. */

import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'

/** Who speaks, as an access token says. */
export interface Session {
  readonly userId: UserId
  readonly deviceId: string
  readonly admin: boolean
  /** Milliseconds; absent: the token does not expire. */
  readonly expiresAt: number | undefined
}

/** The session of an access token; an expired one is told too. Undefined: there is none. */
export async function readSession(reads: Reads, tokenHash: string): Promise<Session | undefined> {
  const [row] = await reads.sql<(Omit<Session, 'expiresAt'> & { expiresAt: number | null })[]>`
    select t.user_id as "userId", t.device_id as "deviceId", coalesce(a.admin, false) as admin, t.expires_at as "expiresAt"
    from access_token t left join account a on a.user_id = t.user_id
    where t.token_hash = decode(${tokenHash}, 'base64')`
  return row && { ...row, expiresAt: row.expiresAt ?? undefined }
}

export interface RefreshToken {
  readonly userId: UserId
  readonly deviceId: string
  /** A successor was given out for it. */
  readonly replaced: boolean
}

/** What a refresh token belongs to, or undefined. */
export async function readRefreshToken(reads: Reads, tokenHash: string): Promise<RefreshToken | undefined> {
  const [row] = await reads.sql<RefreshToken[]>`
    select user_id as "userId", device_id as "deviceId", replaced from refresh_token
    where token_hash = decode(${tokenHash}, 'base64')`
  return row
}

export interface DeviceTokens {
  /** Hashes, in the order in which the tokens were given: those that expire later were given later. */
  readonly access: readonly string[]
  readonly refresh: readonly { readonly hash: string; readonly replaced: boolean }[]
}

/** The tokens of a device. */
export async function readDeviceTokens(
  reads: Reads,
  userId: UserId,
  deviceId: string,
): Promise<DeviceTokens> {
  const [access, refresh] = await Promise.all([
    reads.sql<{ hash: Buffer }[]>`
      select token_hash as hash from access_token where user_id = ${userId} and device_id = ${deviceId}
      order by expires_at nulls first, token_hash`,
    reads.sql<{ hash: Buffer; replaced: boolean }[]>`
      select token_hash as hash, replaced from refresh_token where user_id = ${userId} and device_id = ${deviceId}
      order by replaced desc, token_hash`,
  ])
  return {
    access: access.map(({ hash }) => hash.toString('base64')),
    refresh: refresh.map(({ hash, replaced }) => ({ hash: hash.toString('base64'), replaced })),
  }
}

/** Whom a login token logs in at this moment, or undefined. `now`: milliseconds. */
export async function readLoginToken(
  reads: Reads,
  tokenHash: string,
  now: number,
): Promise<UserId | undefined> {
  const [row] = await reads.sql<{ user_id: UserId }[]>`
    select user_id from login_token where token_hash = decode(${tokenHash}, 'base64') and expires_at > ${now}`
  return row?.user_id
}

/** Every login token of a user that has not been used, also one whose time is over. The table holds those of minutes, for all users. */
export async function readLoginTokens(
  reads: Reads,
  userId: UserId,
): Promise<{ readonly hash: string; readonly expiresAt: number }[]> {
  const rows = await reads.sql<{ hash: Buffer; expires_at: number }[]>`
    select token_hash as hash, expires_at from login_token where user_id = ${userId}`
  return rows.map((row) => ({ hash: row.hash.toString('base64'), expiresAt: row.expires_at }))
}

/** Whom an OpenID token names at this moment, or undefined. `now`: milliseconds. */
export async function readOpenIdToken(
  reads: Reads,
  tokenHash: string,
  now: number,
): Promise<UserId | undefined> {
  const [row] = await reads.sql<{ user_id: UserId }[]>`
    select user_id from openid_token where token_hash = decode(${tokenHash}, 'base64') and expires_at > ${now}`
  return row?.user_id
}
