// What a room version is, for this server: a frozen record of named differences. No code compares version strings; it
// asks for the tweak that it depends on. The table of versions is in table.ts.

import type { EventIdFormat } from '../ids/event-id.ts'

/** How a room version redacts. Room versions v1.19, "Redactions". */
export interface RedactionRules {
  /** The top-level keys of an event that survive. */
  readonly keepsTopLevel: ReadonlySet<string>
  /** Per event type, the keys of `content` that survive, or all of them; other types lose the whole content. */
  readonly keepsContent: ReadonlyMap<string, 'all' | readonly string[]>
  /** `signed` within `content.third_party_invite` of a membership event survives. Since v11. */
  readonly keepsThirdPartySigned: boolean
}

/** The named tweaks of one room version. Room versions v1.19. */
export interface RoomVersionRules {
  /** The version as it is written in the create event. */
  readonly id: string
  /** True if the specification calls it stable. */
  readonly stable: boolean

  /** How event ids are formed; `v1` events carry their own `event_id` and refer to others by pairs of id and hash. */
  readonly eventIdFormat: EventIdFormat
  /** The state resolution algorithm. */
  readonly stateResolution: 'v1' | 'v2' | 'v2.1'
  /** Events that are not canonical JSON (floats, large integers) are invalid. Since v6. */
  readonly strictCanonicalJson: boolean
  /** `type`, `state_key` and ids of other servers' events are measured in bytes and not in code points. Since v11. */
  readonly fieldLimitsInBytes: boolean
  /** A key must have been valid at the event's `origin_server_ts`. Since v5. */
  readonly enforceKeyValidity: boolean

  /** The redaction algorithm. */
  readonly redaction: RedactionRules
  /** `m.room.redaction` names its target in `content.redacts` and not at the top level. Since v11. */
  readonly redactsInContent: boolean
  /** Whether a redaction may take effect is an authorisation rule (v1, v2), or decided when it is applied. */
  readonly redactionInAuthRules: boolean

  /** `m.room.aliases` has an authorisation rule of its own. Until v5. */
  readonly aliasesSpecialCase: boolean
  /** Changes of `notifications` in power levels are checked like those of `events`. Since v6. */
  readonly notificationLevelsChecked: boolean
  /** Membership and join rule `knock`. Since v7. */
  readonly knocking: boolean
  /** Join rule `restricted`. Since v8. */
  readonly restrictedJoin: boolean
  /** Join rule `knock_restricted`. Since v10. */
  readonly knockRestricted: boolean
  /** Power levels must be integers and not strings or floats. Since v10. */
  readonly integerPowerLevels: boolean
  /** The creator is the create event's `sender` and not `content.creator`. Since v11. */
  readonly creatorIsSender: boolean
  /** The create event belongs into `auth_events`. Until v11. */
  readonly createInAuthEvents: boolean
  /** The room id is the create event's id with another sigil, and the create event has no `room_id`. Since v12. */
  readonly roomIdIsCreateHash: boolean
  /** Creators have an infinite power level, and there can be `additional_creators`. Since v12. */
  readonly privilegedCreators: boolean
}
