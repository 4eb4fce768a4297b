/** What of users' profiles goes into member events. */

import { parseJson } from '#protocol/json/parse.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'
import { readProfiles } from '../users/profiles.ts'

export interface MemberFields {
  readonly displayname?: string
  readonly avatar_url?: string
}

/** Display names and pictures by user id; users without a profile are left out. */
export async function memberProfiles(
  reads: Reads,
  userIds: readonly UserId[],
): Promise<Map<UserId, MemberFields>> {
  if (userIds.length === 0) return new Map()
  const profiles = await readProfiles(reads, userIds)
  return new Map(Array.from(profiles, ([userId, fields]) => [userId, memberFields(fields)]))
}

/** Display name and picture of one user; empty where he has neither. */
export async function memberProfile(reads: Reads, userId: UserId): Promise<MemberFields> {
  return (await memberProfiles(reads, [userId])).get(userId) ?? {}
}

function memberFields(fields: ReadonlyMap<string, string>): MemberFields {
  const displayname = textOf(fields.get('displayname'))
  const avatarUrl = textOf(fields.get('avatar_url'))
  return {
    ...(displayname === undefined ? undefined : { displayname }),
    ...(avatarUrl === undefined ? undefined : { avatar_url: avatarUrl }),
  }
}

/** The string in a JSON text, or undefined where it holds something else. */
function textOf(json: string | undefined): string | undefined {
  const value: unknown = json === undefined ? undefined : parseJson(json)
  return typeof value === 'string' ? value : undefined
}
