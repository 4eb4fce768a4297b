// Room versions 1 to 12, each as what it changes in the one before.

import type { RoomVersionRules } from './rules.ts'

const commonTopLevel = [
  'event_id',
  'type',
  'room_id',
  'sender',
  'state_key',
  'content',
  'hashes',
  'signatures',
  'depth',
  'prev_events',
  'auth_events',
  'origin_server_ts',
]

const v1Levels = [
  'ban',
  'events',
  'events_default',
  'kick',
  'redact',
  'state_default',
  'users',
  'users_default',
]

const v1: RoomVersionRules = {
  id: '1',
  stable: true,
  eventIdFormat: 'v1',
  stateResolution: 'v1',
  strictCanonicalJson: false,
  fieldLimitsInBytes: false,
  enforceKeyValidity: false,
  redaction: {
    keepsTopLevel: new Set([...commonTopLevel, 'prev_state', 'origin', 'membership']),
    keepsContent: new Map<string, 'all' | readonly string[]>([
      ['m.room.member', ['membership']],
      ['m.room.create', ['creator']],
      ['m.room.join_rules', ['join_rule']],
      ['m.room.power_levels', v1Levels],
      ['m.room.aliases', ['aliases']],
      ['m.room.history_visibility', ['history_visibility']],
    ]),
    keepsThirdPartySigned: false,
  },
  redactsInContent: false,
  redactionInAuthRules: true,
  aliasesSpecialCase: true,
  notificationLevelsChecked: false,
  knocking: false,
  restrictedJoin: false,
  knockRestricted: false,
  integerPowerLevels: false,
  creatorIsSender: false,
  createInAuthEvents: true,
  roomIdIsCreateHash: false,
  privilegedCreators: false,
}

const v2: RoomVersionRules = { ...v1, id: '2', stateResolution: 'v2' }

const v3: RoomVersionRules = { ...v2, id: '3', eventIdFormat: 'v3', redactionInAuthRules: false }

const v4: RoomVersionRules = { ...v3, id: '4', eventIdFormat: 'v4' }

const v5: RoomVersionRules = { ...v4, id: '5', enforceKeyValidity: true }

const v6: RoomVersionRules = {
  ...v5,
  id: '6',
  strictCanonicalJson: true,
  redaction: {
    ...v5.redaction,
    keepsContent: new Map([...v5.redaction.keepsContent].filter(([type]) => type !== 'm.room.aliases')),
  },
  aliasesSpecialCase: false,
  notificationLevelsChecked: true,
}

const v7: RoomVersionRules = { ...v6, id: '7', knocking: true }

const v8: RoomVersionRules = {
  ...v7,
  id: '8',
  redaction: {
    ...v7.redaction,
    keepsContent: new Map([...v7.redaction.keepsContent, ['m.room.join_rules', ['join_rule', 'allow']]]),
  },
  restrictedJoin: true,
}

const v9: RoomVersionRules = {
  ...v8,
  id: '9',
  redaction: {
    ...v8.redaction,
    keepsContent: new Map([
      ...v8.redaction.keepsContent,
      ['m.room.member', ['membership', 'join_authorised_via_users_server']],
    ]),
  },
}

const v10: RoomVersionRules = { ...v9, id: '10', knockRestricted: true, integerPowerLevels: true }

const v11: RoomVersionRules = {
  ...v10,
  id: '11',
  fieldLimitsInBytes: true,
  redaction: {
    keepsTopLevel: new Set(commonTopLevel),
    keepsContent: new Map<string, 'all' | readonly string[]>([
      ...v10.redaction.keepsContent,
      ['m.room.create', 'all'],
      ['m.room.power_levels', [...v1Levels, 'invite']],
      ['m.room.redaction', ['redacts']],
    ]),
    keepsThirdPartySigned: true,
  },
  redactsInContent: true,
  creatorIsSender: true,
}

const v12: RoomVersionRules = {
  ...v11,
  id: '12',
  stateResolution: 'v2.1',
  createInAuthEvents: false,
  roomIdIsCreateHash: true,
  privilegedCreators: true,
}

/** The room versions that this server knows, by id. Room versions v1.19, "Complete list of room versions". */
export const roomVersions: ReadonlyMap<string, RoomVersionRules> = new Map(
  [v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12].map((rules) => [rules.id, rules]),
)

/** The rules of a room version, or undefined if this server does not know it. */
export function rulesFor(version: string): RoomVersionRules | undefined {
  return roomVersions.get(version)
}
