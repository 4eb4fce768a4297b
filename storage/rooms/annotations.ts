/** Who has annotated an event with what. */

import { parseJson } from '#protocol/json/parse.ts'
import type { Reads } from '../reads.ts'

export interface Annotation {
  readonly roomNid: number
  readonly parentId: string
  readonly sender: string
  readonly type: string
  readonly key: string | undefined
}

/** Whether the sender has annotated the event with this key already. Redacted annotations do not count. */
export async function hasAnnotated(reads: Reads, annotation: Annotation): Promise<boolean> {
  const { roomNid, parentId, sender, type, key } = annotation
  const rows = await reads.sql<{ json: string }[]>`
    select e.json from relation r join event e on e.event_nid = r.event_nid
    where r.room_nid = ${roomNid} and r.parent_id = ${parentId} and r.rel_type = 'm.annotation'
      and r.sender = ${sender} and r.type = ${type}`
  return rows.some((row) => annotationKey(row.json) === key)
}

function annotationKey(json: string): unknown {
  // The cast states the shape by which the event got its relation row.
  const event = parseJson(json) as { content?: { 'm.relates_to'?: { key?: unknown } } }
  return event.content?.['m.relates_to']?.key
}
