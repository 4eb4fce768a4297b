/** Rows that are stored before the transaction that makes them count (DESIGN.md §3). */

import type { PutRow } from './shard-writes.ts'
import type { Session } from './session.ts'

/** The kinds whose SQL function leaves a row alone that is there already, and that nothing finds by itself. */
export type BulkKind = 'state_node' | 'event' | 'event_signature' | 'room'

export type BulkRow = Extract<PutRow, { readonly kind: BulkKind }>

const pieceRows = 500

/** Stores the rows in order, each piece in a transaction of its own. */
export async function applyInPieces(session: Session, rows: readonly BulkRow[]): Promise<void> {
  for (let start = 0; start < rows.length;) {
    const kind = rows[start]?.kind
    const others = rows.findIndex((row, i) => i > start && (row.kind !== kind || i >= start + pieceRows))
    const end = others === -1 ? rows.length : others
    const piece = rows.slice(start, end).map(({ row }) => row)
    await session.sql`select ${session.sql(`apply_${kind}`)}(${JSON.stringify(piece)}::json)`
    start = end
  }
}
