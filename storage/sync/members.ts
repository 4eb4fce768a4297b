/** Members of rooms from the rows of the log that carry them: counts, the first few, and who shares rooms with whom. */

import type { Reads } from '../reads.ts'

export interface MemberCounts {
  readonly roomNid: number
  readonly joined: number
  readonly invited: number
  /** The first six of those joined or invited, by when they became so: five without the one who asks. */
  readonly heroes: readonly string[]
  /** The first six of those who have left or are banned, for rooms with nobody else. */
  readonly former: readonly string[]
}

/** Members of each room as it stood at a position. A room without members is absent. */
export function readMemberCounts(
  reads: Reads,
  places: readonly { readonly roomNid: number; readonly pos: number }[],
): Promise<readonly MemberCounts[]> {
  if (places.length === 0) return Promise.resolve([])
  return reads.sql<MemberCounts[]>`
    select r.nid as "roomNid", m.joined, m.invited, m.heroes, m.former
    from unnest(${places.map((place) => place.roomNid)}::bigint[], ${places.map((place) => place.pos)}::bigint[])
      as r(nid, pos)
    cross join lateral (
      select count(*) filter (where x.membership = 1)::integer as joined,
        count(*) filter (where x.membership = 2)::integer as invited,
        coalesce((array_agg(x.user_id order by x.since) filter (where x.membership in (1, 2)))[1:6], '{}') as heroes,
        coalesce((array_agg(x.user_id order by x.since) filter (where x.membership in (0, 3)))[1:6], '{}') as former
      from (
        select distinct on (l.user_id) l.user_id, l.membership, l.pos as since
        from log l where l.room_nid = r.nid and l.membership is not null and l.pos <= r.pos
        order by l.user_id, l.pos desc
      ) x
    ) m`
}

/** Who is joined in any of the rooms, each at its position. */
export async function readJoinedUsers(
  reads: Reads,
  places: readonly { readonly roomNid: number; readonly pos: number }[],
): Promise<readonly string[]> {
  if (places.length === 0) return []
  const rows = await reads.sql<{ user_id: string }[]>`
    select distinct x.user_id
    from unnest(${places.map((place) => place.roomNid)}::bigint[], ${places.map((place) => place.pos)}::bigint[])
      as r(nid, pos)
    cross join lateral (
      select distinct on (l.user_id) l.user_id, l.membership
      from log l where l.room_nid = r.nid and l.membership is not null and l.pos <= r.pos
      order by l.user_id, l.pos desc
    ) x
    where x.membership = 1`
  return rows.map((row) => row.user_id)
}

/** Which of these users are joined in any of the rooms, each at its position. */
export async function readUsersStillSharing(
  reads: Reads,
  places: readonly { readonly roomNid: number; readonly pos: number }[],
  userIds: readonly string[],
): Promise<ReadonlySet<string>> {
  if (places.length === 0 || userIds.length === 0) return new Set()
  const rows = await reads.sql<{ user_id: string }[]>`
    select u.id as user_id from unnest(${[...userIds]}::text[]) as u(id)
    where exists (
      select from unnest(${places.map((place) => place.roomNid)}::bigint[], ${places.map((place) => place.pos)}::bigint[])
        as r(nid, pos)
      where (
        select l.membership from log l
        where l.room_nid = r.nid and l.user_id = u.id and l.membership is not null and l.pos <= r.pos
        order by l.pos desc limit 1
      ) = 1
    )`
  return new Set(rows.map((row) => row.user_id))
}
