/** What events cost: canonical JSON, building, checking without the signature, and the signature. */

import { hash } from 'node:crypto'
import { ratesPerSecond } from './own-time.ts'
import { toCheckedEvent, type AuthEvent } from '#protocol/auth/auth-event.ts'
import { checkAuth } from '#protocol/auth/check.ts'
import { buildEvent, type BuiltEvent, type EventFields } from '#protocol/events/build.ts'
import { eventIdOf, hasValidContentHash } from '#protocol/events/hash.ts'
import { checkFormat } from '#protocol/events/pdu.ts'
import { parseRoomId } from '#protocol/ids/room-id.ts'
import { parseUserId, type UserId } from '#protocol/ids/user-id.ts'
import { canonicalJson } from '#protocol/json/canonical.ts'
import { parseStrictJson } from '#protocol/json/strict-parse.ts'
import type { JsonObject, JsonValue } from '#protocol/json/types.ts'
import { publicKeyFromBase64, signingKeyFromSeed } from '#protocol/signing/keys.ts'
import { signEvent, withSignatures } from '#protocol/signing/sign.ts'
import { verifyEvent } from '#protocol/signing/verify.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'

/** Operations in a second, and beside each what is to be compared with it. */
export interface EventRates {
  readonly eventBytes: number
  readonly canonical: number
  readonly stringify: number
  readonly build: number
  readonly stringifyAndHash: number
  /** Form, content hash, event id and authorisation of a parsed event. */
  readonly check: number
  /** The same from the event's text. */
  readonly parseAndCheck: number
  readonly parseAndHash: number
  readonly sign: number
  readonly verify: number
}

const sampleSize = 200
const room = { roomId: parseRoomId('!room:a.example') }
const creator = parseUserId('@creator:a.example')
const people: readonly UserId[] = Array.from({ length: 20 }, (_, i) => parseUserId(`@person${i}:b.example`))
const key = signingKeyFromSeed('auto', new Uint8Array(32).fill(7))

/** A sample of a room's events, and the state by which they are allowed. */
interface Sample {
  readonly rules: RoomVersionRules
  readonly fields: readonly EventFields[]
  readonly built: readonly BuiltEvent[]
  readonly state: ReadonlyMap<string, ReadonlyMap<string, AuthEvent>>
}

/** Measures with messages, reactions and changes of membership in a room of twenty. Takes some ten seconds. */
export function measureEvents(rules: RoomVersionRules): EventRates {
  const sample = makeSample(rules)
  const pdus = sample.built.map((event) => withSignatures(event.pdu, [signEvent(event, key)]))
  const texts = pdus.map((pdu) => canonicalJson(pdu))
  // Parsed again, as they would have come: what is built shares its hidden classes.
  const values = texts.map((text): JsonValue => JSON.parse(text) as JsonValue)
  const each = <T>(items: readonly T[], act: (item: T) => unknown) => ({
    operations: items.length,
    run: () => {
      for (const item of items) if (act(item) === false) throw new Error('A sample event does not pass.')
    },
  })
  const [canonical = 0, stringify = 0, build = 0, stringifyAndHash = 0, check = 0] = ratesPerSecond([
    each(values, (value) => canonicalJson(value)),
    each(values, (value) => JSON.stringify(value)),
    each(sample.fields, (fields) => buildEvent(rules, fields)),
    each(values, (value) => hash('sha256', JSON.stringify(value), 'base64url')),
    each(values, (value) => passes(sample, value)),
  ])
  const [parseAndCheck = 0, parseAndHash = 0, sign = 0, verify = 0] = ratesPerSecond([
    each(texts, (text) => passes(sample, parseStrictJson(text, { integers: 'strict' }))),
    each(texts, (text) => [JSON.parse(text), hash('sha256', text, 'base64url')]),
    each(sample.built, (event) => signEvent(event, key)),
    each(pdus, (pdu) => verifyEvent(rules, pdu, () => verifyKey).ok),
  ])
  const eventBytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / texts.length
  return {
    eventBytes,
    canonical,
    stringify,
    build,
    stringifyAndHash,
    check,
    parseAndCheck,
    parseAndHash,
    sign,
    verify,
  }
}

const publicKey = publicKeyFromBase64(key.publicKey)
const verifyKey = publicKey && { publicKey, validUntilTs: Number.MAX_SAFE_INTEGER }

function passes({ rules, state }: Sample, value: JsonValue): boolean {
  const format = checkFormat(rules, value)
  if (!format.ok || !hasValidContentHash(rules, format.pdu)) return false
  const event = toCheckedEvent(rules, format.pdu, eventIdOf(rules, format.pdu))
  return checkAuth(rules, event, (type, stateKey) => state.get(type)?.get(stateKey)).ok
}

function makeSample(rules: RoomVersionRules): Sample {
  const create = buildEvent(rules, {
    ...envelope,
    ...room,
    type: 'm.room.create',
    stateKey: '',
    sender: creator,
    content: { room_version: rules.id },
  })
  const stateFields: readonly EventFields[] = [
    stateEvent('m.room.power_levels', '', { users: {}, users_default: 0, events: { 'm.room.name': 50 } }),
    stateEvent('m.room.join_rules', '', { join_rule: 'public' }),
    ...people.map((user) => ({
      ...stateEvent('m.room.member', user, { membership: 'join' }),
      sender: user,
    })),
  ].map((fields) => ({ ...fields, ...room }))
  const built = [create, ...stateFields.map((fields) => buildEvent(rules, fields))]
  const state = new Map<string, Map<string, AuthEvent>>()
  for (const { pdu, eventId } of built) {
    const event = toCheckedEvent(rules, pdu, eventId)
    state.getOrInsertComputed(event.type, () => new Map()).set(event.stateKey ?? '', event)
  }
  const auth = built.slice(1, 3).map((event) => event.eventId)
  const fields = Array.from({ length: sampleSize }, (_, at) => ({
    ...sampleFields(at, auth.at(-1) ?? create.eventId),
    ...room,
    prevEvents: auth.slice(0, 1),
    authEvents: auth,
  }))
  return { rules, fields, built: fields.map((one) => buildEvent(rules, one)), state }
}

const envelope = { prevEvents: [], authEvents: [], depth: 1_000, originServerTs: 1_764_000_000_000 }

function stateEvent(type: string, stateKey: string, content: JsonObject): EventFields {
  return { ...envelope, type, stateKey, sender: creator, content }
}

/** One of ten is a change of membership, two are reactions, the others messages of 20 to 480 characters. */
function sampleFields(at: number, target: string): EventFields {
  const sender = people[at % people.length] ?? creator
  const common = { ...envelope, sender, depth: envelope.depth + at }
  if (at % 10 === 0) {
    const content = { membership: 'join', displayname: `Person ${at}`, avatar_url: 'mxc://b.example/abcdef' }
    return { ...common, type: 'm.room.member', stateKey: sender, content }
  }
  if (at % 10 < 3) {
    const content = { 'm.relates_to': { rel_type: 'm.annotation', event_id: target, key: '👍' } }
    return { ...common, type: 'm.reaction', content }
  }
  const body = 'It is a long way home, "she" said. '.repeat(14).slice(0, 20 + ((at * 37) % 460))
  return { ...common, type: 'm.room.message', content: { msgtype: 'm.text', body, 'm.mentions': {} } }
}
