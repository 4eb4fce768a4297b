/** What of users' profiles goes into member events. */

import type { Reads } from '../reads.ts'

export interface MemberFields {
  readonly displayname?: string
  readonly avatar_url?: string
}

/** Display names and pictures by user id; users without either are left out. */
export async function memberProfiles(
  reads: Reads,
  userIds: readonly string[],
): Promise<Map<string, MemberFields>> {
  if (userIds.length === 0) return new Map()
  const rows = await reads.sql<{ user_id: string; key: 'displayname' | 'avatar_url'; value: string }[]>`
    select user_id, key, value from profile
    where user_id = any(${[...userIds]}::text[]) and key in ('displayname', 'avatar_url')`
  const profiles = new Map<string, MemberFields>()
  for (const { key, user_id, value } of rows) {
    const parsed: unknown = JSON.parse(value)
    if (typeof parsed === 'string') profiles.set(user_id, { ...profiles.get(user_id), [key]: parsed })
  }
  return profiles
}

/** Display name and picture of one user; empty where he has neither. */
export async function memberProfile(reads: Reads, userId: string): Promise<MemberFields> {
  return (await memberProfiles(reads, [userId])).get(userId) ?? {}
}
