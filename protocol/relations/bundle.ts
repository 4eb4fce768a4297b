/** Bundled aggregations, `unsigned["m.relations"]`. Client-server API v1.19, "Aggregations of child events". */
import type { EventId } from '../ids/event-id.ts'

/** A thread as its root's readers see it. */
export interface ThreadSummary {
  /** The client JSON text of the latest event, with its own aggregations. */
  readonly latestEvent: string
  /** Events in the thread without those of users whom the reader ignores; the root does not count. */
  readonly count: number
  /** Whether the reader sent the root or an event of the thread. */
  readonly currentUserParticipated: boolean
}

/** The relations to an event that are shown with it. `m.annotation` is never aggregated by the server. */
export interface BundleParts {
  /** The client JSON text of the most recent valid edit. None for a redacted event. */
  readonly replacement?: string | undefined
  readonly thread?: ThreadSummary | undefined
  /** Events with an `m.reference` to this one. */
  readonly references?: readonly EventId[] | undefined
}

/**
 * The JSON text of `m.relations`, or undefined when there is nothing to show. Events go in as text and come out as text,
 * since each is serialised once for all its readers.
 */
export function bundleRelations(parts: BundleParts): string | undefined {
  const fields: string[] = []
  if (parts.references !== undefined && parts.references.length > 0) {
    const chunk = parts.references.map((eventId) => ({ event_id: eventId }))
    fields.push(`"m.reference":${JSON.stringify({ chunk })}`)
  }
  if (parts.replacement !== undefined) fields.push(`"m.replace":${parts.replacement}`)
  if (parts.thread !== undefined) fields.push(`"m.thread":${threadText(parts.thread)}`)
  return fields.length === 0 ? undefined : `{${fields.join(',')}}`
}

function threadText(thread: ThreadSummary): string {
  const { count, currentUserParticipated, latestEvent } = thread
  return `{"count":${count},"current_user_participated":${currentUserParticipated},"latest_event":${latestEvent}}`
}
