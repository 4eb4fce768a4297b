/** The greatest size of an event in bytes of canonical JSON, signatures included. Client-server API v1.19, "Size limits". */
export const maxEventBytes = 65_536

/** The greatest size in bytes of `type`, `state_key` and each id of an event. Client-server API v1.19, "Size limits". */
export const maxFieldBytes = 255

/** How deeply arrays and objects may be nested in what a local client sends. Events of other servers have no such limit. */
export const maxClientDepth = 100

/** The greatest number of `prev_events` of an event. Server-server API v1.19, PDU. */
export const maxPrevEvents = 20

/** The greatest number of `auth_events` of an event. Server-server API v1.19, PDU. */
export const maxAuthEvents = 10

/** The greatest integer of canonical JSON and so the greatest depth, 2^53 − 1. Appendices v1.19, "Canonical JSON". */
export const maxInteger = Number.MAX_SAFE_INTEGER

/** The length of a string in bytes of UTF-8. */
export function utf8Bytes(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}
