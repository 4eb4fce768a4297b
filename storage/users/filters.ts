/** Filters that clients have stored. */

import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'

/** The filter as JSON text, or undefined. */
export async function readFilter(
  reads: Reads,
  userId: UserId,
  filterId: string,
): Promise<string | undefined> {
  const [row] = await reads.sql<{ json: string }[]>`
    select json from filter where user_id = ${userId} and filter_id = ${filterId}`
  return row?.json
}
