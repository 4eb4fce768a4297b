// A room whose events are really signed, and the driver of the checks that the tests of this folder use.

import type { ListedEvent } from '../auth/auth-events-list.ts'
import { toCheckedEvent, type StateLookup } from '../auth/auth-event.ts'
import { authEventKeys } from '../auth/select.ts'
import { buildEvent, type BuiltEvent, type EventFields } from '../events/build.ts'
import { referenceHash, roomIdOfCreate } from '../events/hash.ts'
import type { Pdu } from '../events/pdu.ts'
import { makeEventId, type EventId } from '../ids/event-id.ts'
import type { SigningKeyId } from '../ids/key-id.ts'
import { parseRoomId, type RoomId } from '../ids/room-id.ts'
import { parseServerName, type ServerName } from '../ids/server-name.ts'
import { parseUserId, serverOf, type UserId } from '../ids/user-id.ts'
import { parseReceivedJson, type ReceivedJson } from '../json/received.ts'
import type { JsonObject } from '../json/types.ts'
import { publicKeyFromBase64, signingKeyFromSeed, type SigningKey, type VerifyKey } from '../signing/keys.ts'
import { signatureOf, signEvent, withSignatures } from '../signing/sign.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { rulesFor } from '../versions/table.ts'
import type { ReceiptPause, ReceiptSource, Receiving } from './receive-pdu.ts'

export const creator = parseUserId('@creator:a.org')
export const member = parseUserId('@member:b.org')
export const stranger = parseUserId('@stranger:c.org')
export const atTime = 1_000_000

export function rulesOf(version: string): RoomVersionRules {
  const rules = rulesFor(version)
  if (rules === undefined) throw new Error(`no version ${version}`)
  return rules
}

/** The signing key of a server of the tests; each has its own. */
export function keyOf(server: ServerName): SigningKey {
  return signingKeyFromSeed('1', Buffer.alloc(32, server))
}

export function verifyKeyOf(server: ServerName, times: Partial<VerifyKey> = {}): VerifyKey {
  const publicKey = publicKeyFromBase64(keyOf(server).publicKey)
  if (publicKey === undefined) throw new Error('no key')
  return { publicKey, validUntilTs: atTime + 1_000, ...times }
}

export interface Draft {
  readonly type: string
  readonly stateKey?: string
  readonly sender?: UserId
  readonly content?: JsonObject
  readonly redacts?: EventId
  /** Other references than the room would give it. */
  readonly prevEvents?: readonly EventId[]
  readonly authEvents?: readonly EventId[]
  readonly roomId?: RoomId
  /** Servers that sign besides that of the sender. */
  readonly alsoSignedBy?: readonly ServerName[]
}

/** An event of the test room as another server would send it. */
export interface MadeEvent {
  readonly built: BuiltEvent
  readonly pdu: Pdu
  readonly listed: ListedEvent
}

/** A room that starts with creator (100) and member (0), grows by `add`, and knows the state after its last event. */
export class TestRoom {
  readonly rules: RoomVersionRules
  readonly id: RoomId
  readonly events = new Map<EventId, MadeEvent>()
  readonly state = new Map<string, MadeEvent>()
  #last: readonly EventId[] = []
  #count = 0

  constructor(version: string) {
    this.rules = rulesOf(version)
    const create = this.make({
      type: 'm.room.create',
      stateKey: '',
      content: { room_version: version, creator },
    })
    this.id = this.rules.roomIdIsCreateHash
      ? roomIdOfCreate(create.built.eventId)
      : parseRoomId('!room:a.org')
    this.#store(create)
    this.add({ type: 'm.room.member', stateKey: creator, content: { membership: 'join' } })
    const users = this.rules.privilegedCreators ? {} : { [creator]: 100 }
    this.add({ type: 'm.room.power_levels', stateKey: '', content: { users } })
    this.add({ type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'public' } })
    this.add({ type: 'm.room.member', stateKey: member, sender: member, content: { membership: 'join' } })
  }

  get last(): readonly EventId[] {
    return this.#last
  }

  /** An event after the last one, not added to the room. */
  make(draft: Draft): MadeEvent {
    const fields = this.#fieldsOf(draft)
    const built = buildEvent(this.rules, fields)
    const signatures = (draft.alsoSignedBy ?? []).map((server) =>
      signatureOf(built.reference, server, keyOf(server)),
    )
    const pdu = withSignatures(built.pdu, [signEvent(built, keyOf(serverOf(fields.sender))), ...signatures])
    const listed = { ...toCheckedEvent(this.rules, pdu, built.eventId), rejected: false }
    return { built, pdu, listed }
  }

  /** Adds an event after the last one. */
  add(draft: Draft): MadeEvent {
    const made = this.make(draft)
    this.#store(made)
    return made
  }

  stateEvent(type: string, stateKey = ''): MadeEvent {
    const found = this.state.get(`${type} ${stateKey}`)
    if (found === undefined) throw new Error(`no ${type}`)
    return found
  }

  /** The state as it is now; it does not change with what is added later. */
  lookup(): StateLookup {
    const state = new Map(this.state)
    return (type, stateKey) => state.get(`${type} ${stateKey}`)?.listed
  }

  #store(made: MadeEvent): void {
    this.events.set(made.built.eventId, made)
    if (made.pdu.state_key !== undefined) this.state.set(`${made.pdu.type} ${made.pdu.state_key}`, made)
    this.#last = [made.built.eventId]
  }

  #fieldsOf(draft: Draft): EventFields {
    const { type, stateKey, sender = creator, content = {} } = draft
    const isCreate = type === 'm.room.create'
    const keys = authEventKeys(this.rules, { type, stateKey, sender, content })
    const selected = keys.flatMap(([t, k]) => this.state.get(`${t} ${k}`)?.built.eventId ?? [])
    const prevEvents = draft.prevEvents ?? this.#last
    const authEvents = draft.authEvents ?? selected
    const hasNoRoom = this.rules.roomIdIsCreateHash && isCreate
    const roomId = hasNoRoom ? undefined : (draft.roomId ?? (isCreate ? parseRoomId('!room:a.org') : this.id))
    const eventId = makeEventId(`e${this.#count++}`, serverOf(sender))
    const hashes = [...prevEvents, ...authEvents].map((id) => [id, this.#hashOf(id)] as const)
    return {
      type,
      stateKey,
      sender,
      roomId,
      content,
      prevEvents,
      authEvents,
      depth: this.#count,
      originServerTs: atTime,
      redacts: draft.redacts,
      explicitId: { eventId, referenceHashes: new Map(hashes) },
    }
  }

  #hashOf(id: EventId): string {
    const made = this.events.get(id)
    return made === undefined ? 'unknown' : referenceHash(this.rules, made.pdu)
  }
}

/** An event as its text says it. */
export function received(pdu: unknown): ReceivedJson {
  return parseReceivedJson(JSON.stringify(pdu))
}

/** Everything about the room at once; with `now` as the current state if that is another. */
export function sourceOf(room: TestRoom, changes: Partial<ReceiptSource> = {}): ReceiptSource {
  return {
    key: (server: ServerName, keyId: SigningKeyId) =>
      keyId === 'ed25519:1' ? verifyKeyOf(server) : undefined,
    authEvent: (id) => room.events.get(id)?.listed,
    stateBefore: room.lookup(),
    currentState: room.lookup(),
    hasJoined: () => true,
    policySignature: () => undefined,
    ...changes,
  }
}

/** What a run of the checks returned, and where it paused. */
export interface Run<T> {
  readonly result: T
  readonly pauses: readonly ReceiptPause[]
}

/** Drives checks to their end; `load` does what a pause asks for. */
export function run<T>(checks: Receiving<T>, load: (pause: ReceiptPause) => void = () => undefined): Run<T> {
  const pauses: ReceiptPause[] = []
  for (;;) {
    const step = checks.next()
    if (step.done === true) return { result: step.value, pauses }
    pauses.push(step.value)
    load(step.value)
  }
}

export const serverA = parseServerName('a.org')
export const serverB = parseServerName('b.org')
export const serverC = parseServerName('c.org')
