import { parseJson } from '#protocol/json/parse.ts'
import type { Reads } from '../reads.ts'

/** Whom a user ignores. Client-server API v1.19, `m.ignored_user_list`. */
export async function ignoredUsers(reads: Reads, userId: string): Promise<ReadonlySet<string>> {
  const [row] = await reads.sql<{ content: string }[]>`
    select content from account_data where user_id = ${userId} and room_id = '' and type = 'm.ignored_user_list'`
  if (row === undefined) return new Set()
  const content: unknown = parseJson(row.content)
  const users =
    typeof content === 'object' && content !== null && 'ignored_users' in content
      ? content.ignored_users
      : null
  return new Set(typeof users === 'object' && users !== null ? Object.keys(users) : [])
}
