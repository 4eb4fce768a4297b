/**
 * What the content of a state event must look like when a local client sets it. The authorisation rules let much of this pass, because events of
 * other servers are kept as they are; a local mistake is better refused than spread. Client-server API v1.19, "Room events".
 */

import { MatrixError } from '#protocol/errors.ts'
import { isMembership } from '#protocol/events/read/membership.ts'
import { levelOf } from '#protocol/events/read/power-levels.ts'
import { isUserId } from '#protocol/ids/user-id.ts'
import { field, isJsonObject, type JsonObject, type JsonValue } from '#protocol/json/types.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import type { NewState } from './messages.ts'

type Check = (content: JsonObject, state: NewState, rules: RoomVersionRules) => string | undefined

const singleLevels = [
  'ban',
  'events_default',
  'invite',
  'kick',
  'redact',
  'state_default',
  'users_default',
] as const

const visibilities: ReadonlySet<string> = new Set(['invited', 'joined', 'shared', 'world_readable'])
const guestAccesses: ReadonlySet<string> = new Set(['can_join', 'forbidden'])

const checks: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['m.room.power_levels', powerLevelsFault],
  ['m.room.member', memberFault],
  // Conditions in `allow` that cannot be read let nobody in: that is how clients of rooms with new kinds of conditions see them, too.
  ['m.room.join_rules', (content) => requiredString(content, 'join_rule')],
  ['m.room.history_visibility', (content) => memberOf(content, 'history_visibility', visibilities)],
  ['m.room.guest_access', (content) => memberOf(content, 'guest_access', guestAccesses)],
  ['m.room.name', (content) => optionalString(content, 'name')],
  ['m.room.topic', (content) => optionalString(content, 'topic')],
  ['m.room.avatar', (content) => optionalString(content, 'url')],
  ['m.room.encryption', (content) => requiredString(content, 'algorithm')],
  [
    'm.room.tombstone',
    (content) => optionalString(content, 'body') ?? optionalString(content, 'replacement_room'),
  ],
  ['m.room.pinned_events', pinnedEventsFault],
  ['m.room.server_acl', serverAclFault],
  ['m.room.aliases', aliasesFault],
])

/**
 * Throws M_BAD_JSON with a sentence that names the field if a local client must not set this content, M_BAD_ALIAS for an alias that
 * does not point to the room. `present` is the content that would be replaced.
 */
export function checkContent(
  rules: RoomVersionRules,
  state: NewState,
  present: JsonObject | undefined,
): void {
  const fault = checks.get(state.type)?.(state.content, state, rules)
  if (fault !== undefined) throw new MatrixError('M_BAD_JSON', `In ${state.type}, ${fault}.`)
  if (state.type === 'm.room.canonical_alias') checkAliases(state.content, present)
}

/** Before version 10 a level may also be the text of an integer, because rooms have such that their moderators send again. */
function powerLevelsFault(
  content: JsonObject,
  _state: NewState,
  rules: RoomVersionRules,
): string | undefined {
  for (const name of singleLevels) {
    if (Object.hasOwn(content, name) && levelOf(rules, content[name]) === undefined)
      return `${name} must be an integer`
  }
  for (const name of ['events', 'notifications', 'users']) {
    const map = field(content, name)
    if (map === undefined) continue
    if (!isJsonObject(map) || !Object.values(map).every((level) => levelOf(rules, level) !== undefined)) {
      return `${name} must be an object of integers`
    }
    if (name === 'users' && !Object.keys(map).every(isUserId)) return 'users must have user ids as keys'
  }
  return undefined
}

function memberFault(content: JsonObject, state: NewState): string | undefined {
  const membership = field(content, 'membership')
  if (typeof membership !== 'string' || !isMembership(membership))
    return 'membership must be one that is known'
  if (!isUserId(state.stateKey)) return 'the state key must be a user id'
  return optionalString(content, 'displayname') ?? optionalString(content, 'avatar_url')
}

function pinnedEventsFault(content: JsonObject): string | undefined {
  const pinned = field(content, 'pinned')
  const good = Array.isArray(pinned) && pinned.every((id) => typeof id === 'string')
  return good ? undefined : 'pinned must be a list of event ids'
}

function serverAclFault(content: JsonObject): string | undefined {
  for (const name of ['allow', 'deny']) {
    const list = field(content, name)
    if (list !== undefined && !(Array.isArray(list) && list.every((glob) => typeof glob === 'string'))) {
      return `${name} must be a list of server names`
    }
  }
  return undefined
}

/** `m.room.aliases` means something until version 5; afterwards it is an event like any other. */
function aliasesFault(content: JsonObject, _state: NewState, rules: RoomVersionRules): string | undefined {
  if (!rules.aliasesSpecialCase) return undefined
  const aliases = field(content, 'aliases')
  const good = Array.isArray(aliases) && aliases.every((alias) => typeof alias === 'string')
  return good ? undefined : 'aliases must be a list of aliases'
}

function memberOf(content: JsonObject, name: string, values: ReadonlySet<string>): string | undefined {
  const value = field(content, name)
  const known = [...values].join(', ')
  return typeof value === 'string' && values.has(value) ? undefined : `${name} must be one of ${known}`
}

function requiredString(content: JsonObject, name: string): string | undefined {
  return typeof field(content, name) === 'string' ? undefined : `${name} must be a string`
}

/** Null stands for absent here: clients clear a name or a picture by it. */
function optionalString(content: JsonObject, name: string): string | undefined {
  return field(content, name) == null ? undefined : requiredString(content, name)
}

/** "If the alias does not point to the room": this server has no directory of aliases, so no new alias does. */
function checkAliases(content: JsonObject, present: JsonObject | undefined): void {
  const alias = field(content, 'alias')
  const others = field(content, 'alt_aliases')
  const named = [...(alias == null || alias === '' ? [] : [alias]), ...(Array.isArray(others) ? others : [])]
  if ((others !== undefined && !Array.isArray(others)) || named.some((name) => typeof name !== 'string')) {
    throw new MatrixError('M_BAD_JSON', 'In m.room.canonical_alias, aliases must be strings.')
  }
  const known = present === undefined ? [] : [field(present, 'alias'), ...aliasList(present)]
  if (named.some((name) => !known.includes(name))) {
    throw new MatrixError('M_BAD_ALIAS', 'The alias does not point to this room.')
  }
}

function aliasList(content: JsonObject): readonly JsonValue[] {
  const list = field(content, 'alt_aliases')
  return Array.isArray(list) ? list : []
}
