/** Models `storage/sync/members.ts`. */

import type * as real from '#storage/sync/members.ts'
import { memberships } from '#storage/log-kinds.ts'
import { asked } from '../access.ts'
import { membersAt } from '../rows.ts'
import type { LogRecord, Tables } from '../tables.ts'

const heroes = 6

export const readMemberCounts: typeof real.readMemberCounts = async (reads, places) => {
  if (places.length === 0) return []
  return asked(reads, (tables) =>
    places.map(({ pos, roomNid }) => {
      const members = membersAt(tables, roomNid, pos).toSorted((a, b) => a.pos - b.pos)
      const those = (...kinds: readonly number[]): LogRecord[] =>
        members.filter(({ membership }) => membership !== null && kinds.includes(membership))
      const first = (rows: readonly LogRecord[]): string[] =>
        rows.slice(0, heroes).map((row) => row.userId ?? '')
      return {
        roomNid,
        joined: those(memberships.join).length,
        invited: those(memberships.invite).length,
        heroes: first(those(memberships.join, memberships.invite)),
        former: first(those(memberships.leave, memberships.ban)),
      }
    }),
  )
}

type Place = Parameters<typeof real.readJoinedUsers>[1][number]

export const readJoinedUsers: typeof real.readJoinedUsers = async (reads, places) =>
  places.length === 0 ? [] : asked(reads, (tables) => [...joinedIn(tables, places)])

export const readUsersStillSharing: typeof real.readUsersStillSharing = async (reads, places, userIds) => {
  if (places.length === 0 || userIds.length === 0) return new Set()
  return asked(reads, (tables) => {
    const joined = joinedIn(tables, places)
    return new Set(userIds.filter((userId) => joined.has(userId)))
  })
}

function joinedIn(tables: Tables, places: readonly Place[]): Set<string> {
  const joined = new Set<string>()
  for (const { pos, roomNid } of places)
    for (const row of membersAt(tables, roomNid, pos))
      if (row.membership === memberships.join && row.userId !== null) joined.add(row.userId)
  return joined
}
