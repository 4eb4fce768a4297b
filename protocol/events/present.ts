/** `unsigned` of an event as clients see it. Client-server API v1.19, "UnsignedData". */

import { canonicalString } from '../json/canonical.ts'

/** What is said of an event to one reader, beside the event. */
export interface Unsigned {
  /** Milliseconds since the event was made. */
  readonly age: number
  /** The reader's membership when the event was sent, changes caused by the event included. */
  readonly membership?: string | undefined
  /** Only for the device that sent the event. */
  readonly transactionId?: string | undefined
  /** JSON text of the content that a state event replaced, and the event that bore it. */
  readonly previous?:
    | { readonly content: string; readonly sender: string; readonly eventId: string }
    | undefined
  /** JSON text of the redaction. */
  readonly redactedBecause?: string | undefined
  /** JSON text of `m.relations`. */
  readonly relations?: string | undefined
}

/** The JSON text of `unsigned`. */
export function unsignedText(unsigned: Unsigned): string {
  const { age, membership, previous, redactedBecause, relations, transactionId } = unsigned
  let text = `{"age":${age}`
  if (relations !== undefined) text += `,"m.relations":${relations}`
  if (membership !== undefined) text += `,"membership":"${membership}"`
  if (previous !== undefined) {
    text += `,"prev_content":${previous.content},"prev_sender":${canonicalString(previous.sender)}`
    text += `,"replaces_state":${canonicalString(previous.eventId)}`
  }
  if (redactedBecause !== undefined) text += `,"redacted_because":${redactedBecause}`
  if (transactionId !== undefined) text += `,"transaction_id":${canonicalString(transactionId)}`
  return `${text}}`
}
