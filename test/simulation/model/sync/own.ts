/** Models `storage/sync/own.ts`. */

import type * as real from '#storage/sync/own.ts'
import { logKinds } from '#storage/log-kinds.ts'
import { asked } from '../access.ts'
import { entryOfRecord } from '../rows.ts'
import type { LogRecord, Tables } from '../tables.ts'

export const readOwnRows: typeof real.readOwnRows = (reads, userId, range) =>
  asked(reads, (tables) =>
    rowsOf(
      tables,
      userId,
      ({ pos, shard }) => pos > (range.after[shard] ?? 0) && pos <= (range.upTo[shard] ?? 0),
    ),
  )

export const readMemberships: typeof real.readMemberships = (reads, userId, upTo) =>
  asked(reads, (tables) =>
    rowsOf(tables, userId, (row) => {
      const isKind = row.kind === logKinds.userDevices || row.kind === logKinds.forget
      return row.pos <= (upTo[row.shard] ?? 0) && (isKind || row.membership !== row.prevMembership)
    }),
  )

function rowsOf(
  tables: Tables,
  userId: string,
  fits: (row: LogRecord) => boolean,
): ReturnType<typeof entryOfRecord>[] & Awaited<ReturnType<typeof real.readOwnRows>> {
  const rows = (tables.byUser.get(userId) ?? [])
    .filter(fits)
    .toSorted((a, b) => a.shard - b.shard || a.pos - b.pos)
  return rows.flatMap((row) => entryOfRecord(tables, row, { withRoomId: true }) ?? [])
}
