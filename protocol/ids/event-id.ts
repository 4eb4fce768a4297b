import { MatrixError } from '../errors.ts'
import type { Brand } from './brand.ts'
import { isIdText } from './limits.ts'
import { isServerName, type ServerName } from './server-name.ts'

/** An event id, `$` and an opaque rest. Appendices v1.19, "Event IDs". */
export type EventId = Brand<'EventId'>

/** How a room version forms its event ids: `v1` opaque with domain, `v3` hash in base64, `v4` hash in URL-safe base64. */
export type EventIdFormat = 'v1' | 'v3' | 'v4'

const base64Id = /^\$[A-Za-z0-9+/]{43}$/
const base64UrlId = /^\$[A-Za-z0-9_-]{43}$/

/** True for anything that can be asked for as an event id: `$`, then at least one character, at most 255 bytes. */
export function isEventId(text: string): text is EventId {
  return text.length > 1 && text.startsWith('$') && isIdText(text)
}

/** The string as an event id of any room version. Throws M_INVALID_PARAM if it cannot be one. */
export function parseEventId(text: string): EventId {
  if (!isEventId(text)) throw new MatrixError('M_INVALID_PARAM', 'Not a valid event id.')
  return text
}

/** True if the string is an event id in exactly the format of a room version. */
export function isEventIdOfFormat(format: EventIdFormat, text: string): text is EventId {
  if (format === 'v4') return base64UrlId.test(text)
  if (format === 'v3') return base64Id.test(text)
  const colon = text.indexOf(':')
  return isEventId(text) && colon > 1 && isServerName(text.slice(colon + 1))
}

/** The event id of format `v1` of these parts. `opaque` is unique on this server. Throws M_INVALID_PARAM. */
export function makeEventId(opaque: string, server: ServerName): EventId {
  return parseEventId(`$${opaque}:${server}`)
}

/** The domain in an event id of format `v1`, or undefined for the other formats. */
export function domainOfEventId(event: EventId): string | undefined {
  const colon = event.indexOf(':')
  return colon === -1 ? undefined : event.slice(colon + 1)
}
