/** Models `storage/sync/sessions.ts`. */

import type * as real from '#storage/sync/sessions.ts'
import { logKinds } from '#storage/log-kinds.ts'
import { asked } from '../access.ts'
import type { LogRecord, Tables } from '../tables.ts'

export const readSessionHeads: typeof real.readSessionHeads = (reads) =>
  asked(reads, (tables) => ({
    incarnation: tables.incarnation,
    positions: tables.shards.map((_row, shard) => sessionRows(tables, shard).at(-1)?.pos ?? 0),
  }))

export const readEndedSessions: typeof real.readEndedSessions = (reads, after) =>
  asked(reads, (tables) => ({
    incarnation: tables.incarnation,
    ended: after.flatMap((from, shard) =>
      sessionRows(tables, shard)
        .filter(({ pos }) => pos > from)
        // The cast states what the column holds.
        .map(({ body, pos, userId }) => ({
          shard,
          pos,
          userId: userId as real.EndedSessions['userId'],
          body,
        })),
    ),
    missed: after.some((from, shard) => sweptSessionPos(tables, shard) > from),
  }))

function sessionRows(tables: Tables, shard: number): LogRecord[] {
  return (tables.logs[shard] ?? []).filter(({ kind }) => kind === logKinds.session)
}

/** The greatest position of a row of kind session that was swept away. */
function sweptSessionPos(tables: Tables, shard: number): number {
  return tables.sweeps.get(shard)?.sessionPos ?? 0
}
