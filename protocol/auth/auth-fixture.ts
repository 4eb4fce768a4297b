// The room that the tests of the authorisation rules start from, and the table in which they are written.

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseEventId, type EventId } from '../ids/event-id.ts'
import { parseRoomId } from '../ids/room-id.ts'
import { parseServerName } from '../ids/server-name.ts'
import { parseUserId, type UserId } from '../ids/user-id.ts'
import type { JsonObject } from '../json/types.ts'
import { signingKeyFromSeed } from '../signing/keys.ts'
import { signJson } from '../signing/sign.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { rulesFor } from '../versions/table.ts'
import type { AuthEvent, CheckedEvent, StateLookup } from './auth-event.ts'
import { checkAuth } from './check.ts'
import type { RuleId, Verdict } from './verdict.ts'

export const creator = parseUserId('@creator:a.org')
export const admin = parseUserId('@admin:a.org')
export const mod = parseUserId('@mod:a.org')
export const user = parseUserId('@user:b.org')
export const banned = parseUserId('@banned:b.org')
export const invited = parseUserId('@invited:b.org')
export const knocking = parseUserId('@knocking:b.org')
export const stranger = parseUserId('@stranger:c.org')
export const createId = parseEventId(`$${'c'.repeat(43)}`)
export const v = (version: number): RoomVersionRules => {
  const found = rulesFor(String(version))
  if (found === undefined) throw new Error(`no version ${version}`)
  return found
}

export type State = Map<string, AuthEvent>
export interface Change {
  readonly type: string
  readonly stateKey?: string
  readonly content?: JsonObject
  readonly sender?: UserId
  readonly prevEvents?: EventId[]
  readonly redacts?: string
  readonly eventId?: EventId
}

export const levels = {
  users: { [admin]: 100, [mod]: 50 },
  events: { 'm.room.name': 50, 'm.room.power_levels': 50, 'org.high': 90 },
  notifications: { room: 50 },
  invite: 0,
}

export function roomIdIn(rules: RoomVersionRules): string {
  return rules.roomIdIsCreateHash ? `!${createId.slice(1)}` : '!room:a.org'
}

export function event(rules: RoomVersionRules, change: Change): CheckedEvent {
  const isCreate = rules.roomIdIsCreateHash && change.type === 'm.room.create'
  return {
    eventId: parseEventId(`$${'e'.repeat(43)}`),
    sender: admin,
    content: {},
    prevEvents: [parseEventId(`$${'p'.repeat(43)}`)],
    ...change,
    ...(isCreate ? {} : { roomId: parseRoomId(roomIdIn(rules)) }),
  }
}

/** A room of creator, admin (100), moderator (50) and user (0), with somebody banned, somebody invited, somebody knocking. */
export function stateOf(rules: RoomVersionRules, changes: readonly Change[] = []): State {
  const member = (who: UserId, membership: string): Change => ({
    type: 'm.room.member',
    stateKey: who,
    sender: who,
    content: { membership },
  })
  const start: readonly Change[] = [
    {
      type: 'm.room.create',
      stateKey: '',
      sender: creator,
      content: { room_version: rules.id, creator },
      eventId: createId,
    },
    ...[creator, admin, mod, user].map((who) => member(who, 'join')),
    member(banned, 'ban'),
    member(invited, 'invite'),
    member(knocking, 'knock'),
    { type: 'm.room.power_levels', stateKey: '', content: levels },
    { type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'invite' } },
  ]
  return new Map(
    [...start, ...changes].map((change) => [`${change.type} ${change.stateKey ?? ''}`, event(rules, change)]),
  )
}

export function lookupIn(state: State): StateLookup {
  return (type, stateKey) => state.get(`${type} ${stateKey}`)
}

export function judge(rules: RoomVersionRules, change: Change, changes: readonly Change[] = []): string {
  return ruleOf(checkAuth(rules, event(rules, change), lookupIn(stateOf(rules, changes))))
}

export function ruleOf(verdict: Verdict): RuleId | 'ok' {
  return verdict.ok ? 'ok' : verdict.rule
}

export function joinRule(rule: string): readonly Change[] {
  return [{ type: 'm.room.join_rules', stateKey: '', content: { join_rule: rule } }]
}

export function member(sender: UserId, target: string, membership: string, extra: JsonObject = {}): Change {
  return { type: 'm.room.member', sender, stateKey: target, content: { membership, ...extra } }
}

export const withoutLevels = (rules: RoomVersionRules): StateLookup => {
  const state = stateOf(rules)
  state.delete('m.room.power_levels ')
  return lookupIn(state)
}

/** Version, event, changes of the room's state, and the rule that decides. */
export type Case = readonly [
  versions: readonly number[],
  change: Change,
  expected: RuleId | 'ok',
  changes?: readonly Change[],
]

export function table(name: string, cases: readonly Case[]): void {
  test(name, () => {
    for (const [versions, change, expected, changes] of cases) {
      for (const version of versions) {
        assert.equal(
          judge(v(version), change, changes),
          expected,
          `version ${version}: ${JSON.stringify([change, changes])}`,
        )
      }
    }
  })
}

export const all = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
export const since = (first: number): number[] => all.filter((version) => version >= first)
export const until = (last: number): number[] => all.filter((version) => version <= last)

export const create = (content: JsonObject, rest: Partial<Change> = {}): Change => ({
  type: 'm.room.create',
  stateKey: '',
  sender: creator,
  prevEvents: [],
  content: { creator, ...content },
  ...rest,
})

export const inviteLevel = (invite: number): Change => ({
  type: 'm.room.power_levels',
  stateKey: '',
  content: { ...levels, invite },
})
export const server = parseServerName('id.org')
export const inviteKey = signingKeyFromSeed('1', new Uint8Array(32).fill(1))
export const otherKey = signingKeyFromSeed('1', new Uint8Array(32).fill(2))
export const signed = (fields: JsonObject, key = inviteKey): JsonObject => ({
  third_party_invite: { display_name: 'x', signed: signJson(fields, server, key) },
})
export const offer = (content: JsonObject): readonly Change[] => [
  { type: 'm.room.third_party_invite', stateKey: 'token', sender: mod, content },
]
export const good = signed({ mxid: stranger, token: 'token' })
export const single = offer({ public_key: inviteKey.publicKey })

export const power = (sender: UserId, content: JsonObject): Change => ({
  type: 'm.room.power_levels',
  stateKey: '',
  sender,
  content,
})
export const change = (sender: UserId, part: JsonObject): Change => power(sender, { ...levels, ...part })

export const twoCreators: readonly Change[] = [
  {
    type: 'm.room.create',
    stateKey: '',
    sender: creator,
    content: { room_version: '12', additional_creators: [user] },
    eventId: createId,
  },
]
export const by = (who: string): JsonObject => ({ join_authorised_via_users_server: who })
