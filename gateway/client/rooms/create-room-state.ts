/** The first state of a new room: preset, overrides, and what the client asked for. Client-server API v1.19, "Creation". */

import type { NewState } from '#actors/room/messages.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'

export type Preset = 'private_chat' | 'public_chat' | 'trusted_private_chat'

/** What the first state depends on. */
export interface FirstState {
  readonly rules: RoomVersionRules
  readonly creator: UserId
  readonly preset: Preset
  readonly invitees: readonly UserId[]
  readonly initialState: readonly NewState[]
  readonly levelOverride: JsonObject | undefined
  readonly name: string | undefined
  readonly topic: string | undefined
}

const presets: Readonly<Record<Preset, { joinRule: string; guestAccess: string; inviteLevel: number }>> = {
  private_chat: { joinRule: 'invite', guestAccess: 'can_join', inviteLevel: 0 },
  trusted_private_chat: { joinRule: 'invite', guestAccess: 'can_join', inviteLevel: 0 },
  public_chat: { joinRule: 'public', guestAccess: 'forbidden', inviteLevel: 50 },
}

/**
 * The state events in the order in which they are sent: power levels, the preset's, the initial ones (which replace those of the preset), name
 * and topic.
 */
export function firstState(room: FirstState): NewState[] {
  const preset = presets[room.preset]
  const ofPreset: NewState[] = [
    { type: 'm.room.join_rules', stateKey: '', content: { join_rule: preset.joinRule } },
    { type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: 'shared' } },
    { type: 'm.room.guest_access', stateKey: '', content: { guest_access: preset.guestAccess } },
  ]
  const replaced = new Set(
    room.initialState.filter((state) => state.stateKey === '').map((state) => state.type),
  )
  return [
    { type: 'm.room.power_levels', stateKey: '', content: powerLevels(room) },
    ...ofPreset.filter((state) => !replaced.has(state.type)),
    ...room.initialState,
    ...(room.name === undefined ? [] : [{ type: 'm.room.name', stateKey: '', content: { name: room.name } }]),
    ...(room.topic === undefined ? [] : [topicEvent(room.topic)]),
  ]
}

function topicEvent(topic: string): NewState {
  const rich = { 'm.text': [{ body: topic, mimetype: 'text/plain' }] }
  return { type: 'm.room.topic', stateKey: '', content: { topic, 'm.topic': rich } }
}

function powerLevels(room: FirstState): JsonObject {
  const { creator, invitees, preset, rules } = room
  const trusted = preset === 'trusted_private_chat' ? invitees : []
  // Creators stand above all levels from version 12 on, and must not be named.
  const named = rules.privilegedCreators ? [] : [creator, ...trusted]
  return {
    users: Object.fromEntries(named.map((user) => [user, 100])),
    users_default: 0,
    events: {
      'm.room.name': 50,
      'm.room.power_levels': 100,
      'm.room.history_visibility': 100,
      'm.room.canonical_alias': 50,
      'm.room.avatar': 50,
      'm.room.tombstone': rules.privilegedCreators ? 150 : 100,
      'm.room.server_acl': 100,
      'm.room.encryption': 100,
    },
    events_default: 0,
    state_default: 50,
    ban: 50,
    kick: 50,
    redact: 50,
    invite: presets[preset].inviteLevel,
    ...room.levelOverride,
  }
}
