import type { UserId } from '../ids/user-id.ts'
import { field, isJsonObject, stringField, type JsonObject, type JsonValue } from '../json/types.ts'
import { userOf, type EduRoute } from './edu-route.ts'

/** What a user's presence can be. Client-server API v1.19, "Presence". */
export type PresenceState = 'offline' | 'online' | 'unavailable'

/** The presence of one user. */
export interface PresenceUpdate {
  readonly userId: UserId
  readonly presence: PresenceState
  readonly statusMessage: string | undefined
  /**
   * Milliseconds since the user last did something, when the message was sent. NOTSPEC: required, but undefined for those of whom the sender
   * does not know it, as other servers send them.
   */
  readonly lastActiveAgo: number | undefined
  readonly isCurrentlyActive: boolean
}

/** The presence of users of the sending server. */
export interface PresenceUpdates {
  readonly kind: 'presence'
  readonly updates: readonly PresenceUpdate[]
}

const states: ReadonlySet<string> = new Set<PresenceState>(['offline', 'online', 'unavailable'])

/**
 * The content of an `m.presence`: of its entries those that are well formed and of users of the sending server. Server-server API v1.19,
 * "Presence".
 */
export function readPresence(content: JsonObject, route: EduRoute): PresenceUpdates | undefined {
  const push = field(content, 'push')
  if (!Array.isArray(push)) return undefined
  return { kind: 'presence', updates: push.flatMap((entry) => readUpdate(entry, route) ?? []) }
}

function readUpdate(entry: JsonValue, { origin }: EduRoute): PresenceUpdate | undefined {
  if (!isJsonObject(entry)) return undefined
  const userId = userOf(origin, entry, 'user_id')
  const presence = stringField(entry, 'presence')
  if (userId === undefined || presence === undefined || !isPresenceState(presence)) return undefined
  const ago = field(entry, 'last_active_ago')
  return {
    userId,
    presence,
    statusMessage: stringField(entry, 'status_msg'),
    lastActiveAgo: typeof ago === 'number' && Number.isSafeInteger(ago) && ago >= 0 ? ago : undefined,
    isCurrentlyActive: field(entry, 'currently_active') === true,
  }
}

function isPresenceState(text: string): text is PresenceState {
  return states.has(text)
}
