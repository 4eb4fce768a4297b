/** States and events that follow from a number, well-formed and not, as a hostile server could send them. */

import { toCheckedEvent, type CheckedEvent } from '#protocol/auth/auth-event.ts'
import { roomIdOfCreate } from '#protocol/events/hash.ts'
import type { Pdu } from '#protocol/events/pdu.ts'
import { parseEventId, type EventId } from '#protocol/ids/event-id.ts'
import { parseRoomId, type RoomId } from '#protocol/ids/room-id.ts'
import { parseServerName } from '#protocol/ids/server-name.ts'
import { parseUserId, type UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject, JsonValue } from '#protocol/json/types.ts'
import { signingKeyFromSeed } from '#protocol/signing/keys.ts'
import { signJson } from '#protocol/signing/sign.ts'
import { seededDice, type Dice } from '#protocol/state/random-room-fixture.ts'
import { draftPdu } from '#protocol/state/room-fixture.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'

/** An event as both sides take it. */
export interface PairedEvent {
  readonly pdu: Pdu
  readonly checked: CheckedEvent
}

/** A state with events to be judged by it. */
export interface StateWithEvents {
  readonly state: readonly PairedEvent[]
  readonly events: readonly PairedEvent[]
}

const creator = parseUserId('@creator:a.org')
const people: readonly UserId[] = [
  creator,
  ...['@ann:a.org', '@ben:b.org', '@cat:b.org', '@dan:c.org', '@eve:c.org'].map((id) => parseUserId(id)),
]
const memberships = ['join', 'join', 'join', 'invite', 'leave', 'ban', 'knock']
const joinRules = ['public', 'invite', 'knock', 'restricted', 'knock_restricted', 'private', 'org.other']
const types = ['m.room.name', 'm.room.topic', 'org.example.type', 'm.room.encryption']
const inviteKeys = [1, 2].map((fill) => signingKeyFromSeed('1', new Uint8Array(32).fill(fill)))
const identityServer = parseServerName('id.org')

/** Makes the events of one room. */
class PairRoom {
  readonly rules: RoomVersionRules
  readonly dice: Dice
  createId: EventId | undefined
  #roomId: RoomId | undefined
  #count = 0

  constructor(rules: RoomVersionRules, seed: number) {
    this.rules = rules
    this.dice = seededDice(seed)
  }

  event(fields: EventFields): PairedEvent {
    const { rules } = this
    const isCreate = fields.type === 'm.room.create'
    const withoutRoom = rules.roomIdIsCreateHash && isCreate && !(fields.namesRoom ?? false)
    const roomId = fields.roomId ?? this.#roomId ?? parseRoomId('!room:a.org')
    const { pdu, eventId } = draftPdu(
      rules,
      {
        type: fields.type,
        ...(fields.stateKey === undefined ? {} : { state_key: fields.stateKey }),
        sender: fields.sender,
        ...(withoutRoom ? {} : { room_id: roomId }),
        content: fields.content,
        depth: 5,
        origin_server_ts: 1_000 + this.#count,
        ...(fields.redacts === undefined ? {} : { redacts: fields.redacts }),
      },
      {
        previous: fields.previous ?? [this.#anyId()],
        auth: [],
        hashes: new Map(),
        opaque: `e${this.#count++}`,
      },
    )
    return { pdu, checked: toCheckedEvent(rules, pdu, eventId) }
  }

  create(content: JsonObject): PairedEvent {
    const event = this.event({ type: 'm.room.create', stateKey: '', sender: creator, content, previous: [] })
    this.createId = event.checked.eventId
    if (this.rules.roomIdIsCreateHash) this.#roomId = roomIdOfCreate(this.createId)
    return event
  }

  #anyId(): EventId {
    return parseEventId(this.rules.eventIdFormat === 'v1' ? '$before:a.org' : `$${'p'.repeat(43)}`)
  }
}

interface EventFields {
  readonly type: string
  readonly stateKey?: string | undefined
  readonly sender: UserId
  readonly content: JsonObject
  readonly previous?: readonly EventId[]
  readonly redacts?: string | undefined
  readonly roomId?: RoomId
  /** A create event that bears a room id where it must not. */
  readonly namesRoom?: boolean
}

/** The state of a seed with so many events. */
export function randomPairs(rules: RoomVersionRules, seed: number, count: number): StateWithEvents {
  const room = new PairRoom(rules, seed)
  const state = randomState(room)
  return { state, events: Array.from({ length: count }, () => room.event(randomEvent(room))) }
}

function randomState(room: PairRoom): readonly PairedEvent[] {
  const { dice, rules } = room
  const state = [room.create(createContent(room))]
  for (const user of people) {
    if (dice.chance(0.85)) {
      const isIn = dice.chance(user === creator ? 0.9 : 0.4)
      const membership = isIn ? 'join' : odd(dice, dice.pick(memberships))
      state.push(room.event({ type: 'm.room.member', stateKey: user, sender: user, content: { membership } }))
    }
  }
  if (dice.chance(0.8))
    state.push(
      room.event({
        type: 'm.room.power_levels',
        stateKey: '',
        sender: creator,
        content: stateLevels(rules, dice),
      }),
    )
  if (dice.chance(0.9)) {
    const content = dice.chance(0.05) ? {} : { join_rule: odd(dice, dice.pick(joinRules)) }
    state.push(room.event({ type: 'm.room.join_rules', stateKey: '', sender: creator, content }))
  }
  state.push(
    room.event({
      type: 'm.room.third_party_invite',
      stateKey: 'token',
      sender: dice.pick(people),
      content: offerContent(dice),
    }),
  )
  return state
}

function createContent({ rules, dice }: PairRoom): JsonObject {
  return {
    creator: dice.chance(0.05) ? '@other:a.org' : creator,
    room_version: rules.id,
    ...(dice.chance(0.15) ? { 'm.federate': dice.chance(0.8) ? false : true } : {}),
    ...(dice.chance(0.4) ? { additional_creators: [dice.pick(people)] } : {}),
  }
}

/** Mostly the value, now and then something else in its place. */
function odd(dice: Dice, value: JsonValue): JsonValue {
  return dice.chance(0.03) ? dice.pick<JsonValue>(['JOIN', '', 'constructor', '__proto__']) : value
}

function offerContent(dice: Dice): JsonObject {
  const [first, second] = inviteKeys.map((key) => key.publicKey)
  return dice.pick<JsonObject>([
    { display_name: 'x', public_key: first ?? '' },
    { display_name: 'x', public_keys: [{ public_key: second ?? '' }, { public_key: first ?? '' }] },
    { display_name: 'x', public_key: second ?? '' },
    { display_name: 'x' },
  ])
}

/** Power levels that could be in force: all readable in the version. */
function stateLevels(rules: RoomVersionRules, dice: Dice): JsonObject {
  const level = (): JsonValue => {
    const number = dice.pick([-10, 0, 0, 10, 50, 50, 99, 100, 101])
    return !rules.integerPowerLevels && dice.chance(0.1) ? ` ${number}` : number
  }
  return levelsOf(rules, dice, level)
}

/** Power levels as somebody may send them. */
function sentLevels(rules: RoomVersionRules, dice: Dice): JsonObject {
  const strange: JsonValue[] = ['50', ' 50', '+50', 'x', '', '5.5', true, null, {}, []]
  if (!rules.strictCanonicalJson) strange.push(50.5, -0.5, 1e20)
  const level = (): JsonValue =>
    dice.chance(0.03) ? dice.pick(strange) : dice.pick([-10, 0, 0, 10, 50, 50, 99, 100, 101])
  const content = levelsOf(rules, dice, level)
  if (dice.chance(0.03)) return { ...content, users: { ...(content['users'] as JsonObject), nobody: 0 } }
  if (dice.chance(0.02)) return { ...content, events: dice.pick<JsonValue>([1, 'x', null, []]) }
  return content
}

function levelsOf(rules: RoomVersionRules, dice: Dice, level: () => JsonValue): JsonObject {
  const users: Record<string, JsonValue> = {}
  for (const user of people) {
    if (rules.privilegedCreators && user === creator && dice.chance(0.95)) continue
    if (dice.chance(user === creator ? 0.9 : 0.4)) users[user] = user === creator ? 100 : level()
  }
  const content: Record<string, JsonValue> = { users }
  for (const name of ['users_default', 'events_default', 'state_default', 'ban', 'kick', 'redact', 'invite'])
    if (dice.chance(0.25)) content[name] = level()
  for (const name of ['events', 'notifications']) {
    if (dice.chance(0.4)) content[name] = { [dice.pick([...types, 'room'])]: level() }
  }
  return content
}

function randomEvent(room: PairRoom): EventFields {
  const { rules, dice } = room
  const sender = dice.chance(0.5) ? creator : dice.pick(people)
  switch (dice.below(12)) {
    case 0:
      return createEvent(room, sender)
    case 1:
    case 2:
      return {
        type: 'm.room.power_levels',
        stateKey: dice.chance(0.97) ? '' : 'x',
        sender,
        content: sentLevels(rules, dice),
      }
    case 3:
      return {
        type: 'm.room.redaction',
        sender,
        redacts: dice.pick(['$x:a.org', '$x:b.org', '$x:c.org', `$${'r'.repeat(43)}`]),
        content: {},
      }
    case 4:
      return { type: 'm.room.third_party_invite', stateKey: 'other', sender, content: {} }
    case 5:
      return {
        type: 'm.room.aliases',
        stateKey: dice.pick<string | undefined>(['a.org', 'b.org', 'c.org', '', undefined]),
        sender,
        content: { aliases: [] },
      }
    case 6:
      return {
        type: dice.pick(types),
        stateKey: dice.pick<string | undefined>(['', 'x', undefined, sender, dice.pick(people), '@']),
        sender,
        content: {},
      }
    default:
      return memberEvent(room, sender)
  }
}

function createEvent({ rules, dice }: PairRoom, sender: UserId): EventFields {
  const content: Record<string, JsonValue> = {}
  if (dice.chance(0.8)) content['creator'] = sender
  if (dice.chance(0.8)) content['room_version'] = dice.pick<JsonValue>([rules.id, rules.id, '1', 'nonsense'])
  if (dice.chance(0.4)) {
    content['additional_creators'] = dice.pick<JsonValue>([[], ['@x:y'], ['x'], 'x', [1], {}])
  }
  return {
    type: 'm.room.create',
    stateKey: '',
    sender,
    content,
    roomId: parseRoomId('!room:a.org'),
    namesRoom: dice.chance(0.1),
    ...(dice.chance(0.9) ? { previous: [] } : {}),
  }
}

function memberEvent(room: PairRoom, sender: UserId): EventFields {
  const { dice } = room
  const target = dice.chance(0.4) ? sender : dice.pick(people)
  const membership = odd(dice, dice.pick([...memberships, 'join', 'leave', 'knock', 'invite']))
  const content: Record<string, JsonValue> = dice.chance(0.98) ? { membership } : {}
  if (dice.chance(0.25)) {
    content['join_authorised_via_users_server'] = dice.pick<JsonValue>([...people, '@none:a.org', 'x', 1])
  }
  if (membership === 'invite' && dice.chance(0.4)) content['third_party_invite'] = thirdParty(dice, target)
  const { createId } = room
  const isFirst = dice.chance(0.1) && createId !== undefined
  return {
    type: 'm.room.member',
    stateKey: dice.chance(0.97) ? target : dice.pick<string | undefined>([undefined, '', 'x', '@x']),
    sender,
    content,
    ...(isFirst ? { previous: [createId] } : {}),
  }
}

function thirdParty(dice: Dice, target: UserId): JsonValue {
  const fields: JsonObject = {
    mxid: dice.chance(0.9) ? target : dice.pick(people),
    token: dice.chance(0.9) ? 'token' : dice.pick<JsonValue>(['other', 1]),
  }
  const signed = signJson(fields, identityServer, dice.pick(inviteKeys))
  return dice.pick<JsonValue>([
    { display_name: 'x', signed },
    { display_name: 'x', signed },
    { display_name: 'x', signed },
    { display_name: 'x', signed: fields },
    { display_name: 'x' },
    'x',
  ])
}
