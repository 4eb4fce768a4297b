/** Models `storage/users/following.ts`. */

import type * as real from '#storage/users/following.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import { logKinds } from '#storage/log-kinds.ts'
import { asked } from '../access.ts'
import type { Tables } from '../tables.ts'

const kinds = { devices: logKinds.userDevices, profile: logKinds.profile } as const

export const readFollowBacklogs: typeof real.readFollowBacklogs = (reads, shards, limit) =>
  asked(reads, (tables) =>
    shards.flatMap((shard) =>
      (['devices', 'profile'] as const).map((kind) => {
        const stored = cursorOf(tables, kind, shard)
        return { kind, shard, stored, rows: rowsAfter(tables, { kind, shard, after: stored, limit }) }
      }),
    ),
  )

export const readFollowCursor: typeof real.readFollowCursor = (reads, kind, shard) =>
  asked(reads, (tables) => cursorOf(tables, kind, shard))

export const readFollowRows: typeof real.readFollowRows = (reads, page) =>
  asked(reads, (tables) => rowsAfter(tables, page))

function cursorOf(tables: Tables, kind: real.UserFollowing, shard: number): number {
  return Number(tables.get('cursor', kind, shard, shard)?.['pos'] ?? 0)
}

function rowsAfter(
  tables: Tables,
  page: Parameters<typeof real.readFollowRows>[1],
): { pos: number; userId: UserId }[] {
  return (
    (tables.logs[page.shard] ?? [])
      .filter(
        (row) =>
          row.kind === kinds[page.kind] &&
          row.pos > page.after &&
          // A signature over somebody else's key is no news of this user's devices.
          row.body?.startsWith('{"users":') !== true,
      )
      .slice(0, page.limit)
      // The cast states what the column holds.
      .map((row) => ({ pos: row.pos, userId: row.userId as UserId }))
  )
}
