/** What holds for every event of every room version: redaction, ids, hashes and signatures. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { makeEventId, parseEventId, type EventId } from '../ids/event-id.ts'
import { parseRoomId } from '../ids/room-id.ts'
import { parseServerName } from '../ids/server-name.ts'
import { parseUserId } from '../ids/user-id.ts'
import { canonicalJson } from '../json/canonical.ts'
import { canonicalObject, unicodeText } from '../json/random-json-fixture.ts'
import { parseReceivedBody, receivedWhole } from '../json/received.ts'
import { JsonError, objectFromEntries, type JsonObject, type JsonValue } from '../json/types.ts'
import { decodeBase64 } from '../signing/base64.ts'
import { publicKeyFromBase64, signingKeyFromSeed } from '../signing/keys.ts'
import { signEvent, withSignatures } from '../signing/sign.ts'
import { verifyEvent, type KeyLookup } from '../signing/verify.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { roomVersions } from '../versions/table.ts'
import { buildEvent } from './build.ts'
import { eventIdOf, hasValidContentHash, referenceJson } from './hash.ts'
import { checkReceivedFormat, type Pdu } from './pdu.ts'
import { redact } from './redact.ts'

const server = parseServerName('a.org')
const sender = parseUserId('@alice:a.org')
const key = signingKeyFromSeed('1', new Uint8Array(32).fill(1))
const publicKey = publicKeyFromBase64(key.publicKey) ?? assert.fail()
const keys: KeyLookup = (of, keyId) =>
  of === server && keyId === key.id ? { publicKey, validUntilTs: Number.MAX_SAFE_INTEGER } : undefined

const version = fc.constantFrom(...roomVersions.values())

const keptTypes = [
  ...new Set([...roomVersions.values()].flatMap((r) => [...r.redaction.keepsContent.keys()])),
]
const type = fc.oneof(
  fc.constantFrom(...keptTypes, 'm.room.message', 'constructor', '__proto__'),
  unicodeText.filter((text) => !text.includes('\0')),
)

const keptKeys = [
  ...new Set(
    [...roomVersions.values()].flatMap((r) =>
      [...r.redaction.keepsContent.values()].flatMap((kept) => (kept === 'all' ? [] : kept)),
    ),
  ),
]

/** Content in which keys that some version keeps are frequent. */
const content = fc
  .tuple(
    canonicalObject,
    fc.array(
      fc.tuple(fc.constantFrom(...keptKeys), fc.oneof(unicodeText, fc.maxSafeInteger(), canonicalObject)),
      { maxLength: 6 },
    ),
  )
  .map(([some, kept]): JsonObject => ({ ...some, ...objectFromEntries(kept) }))

/** An event that this server could have sent, signed. It is no third-party invite, which nobody needs to have signed. */
const signedEvent = fc
  .record({
    rules: version,
    type,
    content,
    isState: fc.boolean(),
    depth: fc.nat(),
    hasUnsigned: fc.boolean(),
  })
  .map(({ rules, type: eventType, content: some, isState, depth, hasUnsigned }) => {
    const isOld = rules.eventIdFormat === 'v1'
    const prev: EventId = parseEventId(isOld ? '$p:a.org' : `$${'p'.repeat(43)}`)
    const isCreate = eventType === 'm.room.create'
    const event = buildEvent(rules, {
      type: eventType,
      stateKey: isState ? '' : undefined,
      sender,
      roomId: rules.roomIdIsCreateHash && isCreate ? undefined : parseRoomId('!room:a.org'),
      content: eventType === 'm.room.member' ? { ...some, membership: 'join' } : some,
      prevEvents: [prev],
      authEvents: [prev],
      depth,
      originServerTs: 1_764_000_000_000,
      ...(isOld
        ? {
            explicitId: {
              eventId: makeEventId('x', server),
              referenceHashes: new Map([[prev, 'h'.repeat(43)]]),
            },
          }
        : {}),
    })
    const signed = withSignatures(event.pdu, [signEvent(event, key)])
    return { rules, eventId: event.eventId, pdu: hasUnsigned ? { ...signed, unsigned: { age: 5 } } : signed }
  })

/** An event as a hostile server could send it: with any other keys, under the names that some version keeps among them. */
const receivedEvent = fc
  .tuple(
    signedEvent,
    fc.array(
      fc.tuple(
        fc.constantFrom('origin', 'prev_state', 'membership', 'redacts', 'age_ts', '__proto__', 'x'),
        fc.oneof(unicodeText, canonicalObject),
      ),
      { maxLength: 4 },
    ),
  )
  .map(([event, more]) => ({ ...event, pdu: { ...event.pdu, ...objectFromEntries(more) } as Pdu }))

describe('redaction of any event', () => {
  it('is idempotent and leaves the argument as it was', () => {
    fc.assert(
      fc.property(receivedEvent, ({ rules, pdu }) => {
        const before = canonicalJson(pdu)
        const once = redact(rules, pdu)
        assert.deepEqual(redact(rules, once), once)
        assert.equal(canonicalJson(pdu), before)
      }),
      { numRuns: 200 },
    )
  })

  it('takes away and never adds or alters', () => {
    fc.assert(
      fc.property(receivedEvent, ({ rules, pdu }) => {
        const { content: kept, ...rest } = redact(rules, pdu)
        for (const [name, value] of Object.entries(rest)) assert.deepEqual(value, pdu[name])
        for (const [name, value] of Object.entries(kept)) {
          // Of a third-party invite only a part is kept.
          if (name !== 'third_party_invite') assert.deepEqual(value, pdu.content[name])
        }
      }),
      { numRuns: 200 },
    )
  })

  it('changes neither the id nor the validity of the signatures', () => {
    fc.assert(
      fc.property(signedEvent, ({ rules, pdu, eventId }) => {
        const redacted = redact(rules, pdu)
        assert.equal(eventIdOf(rules, redacted), eventId)
        assert.equal(referenceJson(rules, redacted), referenceJson(rules, pdu))
        assert.deepEqual(verifyEvent(rules, redacted, keys), { ok: true })
      }),
      { numRuns: 150 },
    )
  })
})

describe('the id of any event', () => {
  it('does not depend on unsigned and signatures', () => {
    fc.assert(
      fc.property(receivedEvent, canonicalObject, canonicalObject, ({ rules, pdu }, unsigned, signatures) => {
        const id = eventIdOf(rules, pdu)
        assert.equal(eventIdOf(rules, { ...pdu, unsigned }), id)
        assert.equal(eventIdOf(rules, { ...pdu, signatures }), id)
        const { unsigned: _unsigned, signatures: _signatures, ...bare } = pdu
        // The cast is sound: both fields are optional in a Pdu.
        assert.equal(eventIdOf(rules, bare as Pdu), id)
      }),
      { numRuns: 200 },
    )
  })

  it('is another when anything is changed that redaction keeps', () => {
    const change = fc.constantFrom('depth', 'origin_server_ts', 'type', 'hashes')
    fc.assert(
      fc.property(signedEvent, change, ({ rules, pdu, eventId }, name) => {
        fc.pre(rules.eventIdFormat !== 'v1')
        const other: Record<string, JsonValue> = {
          depth: pdu.depth + 1,
          origin_server_ts: pdu.origin_server_ts + 1,
          type: `${pdu.type}x`,
          hashes: { sha256: 'x' },
        }
        assert.notEqual(eventIdOf(rules, { ...pdu, [name]: other[name] } as Pdu), eventId)
      }),
      { numRuns: 150 },
    )
  })
})

/** The text up to `unsigned`, which stands at the end if it is there. */
function withoutUnsigned(text: string): string {
  const end = text.lastIndexOf(',"unsigned":{"age":5}}')
  return end < 0 ? text : text.slice(0, end)
}

/** What the checks on receipt find in a text: the event if they find nothing. */
function receive(
  rules: RoomVersionRules,
  bytes: Uint8Array,
): Pdu | 'no event' | 'bad signature' | 'bad hash' {
  const pdu = wellFormed(rules, bytes)
  if (pdu === undefined) return 'no event'
  if (!verifyEvent(rules, pdu, keys).ok) return 'bad signature'
  return hasValidContentHash(rules, pdu) ? pdu : 'bad hash'
}

function wellFormed(rules: RoomVersionRules, bytes: Uint8Array): Pdu | undefined {
  try {
    const verdict = checkReceivedFormat(rules, receivedWhole(parseReceivedBody(bytes)))
    return verdict.ok ? verdict.pdu : undefined
  } catch (error) {
    if (error instanceof JsonError) return undefined
    throw error
  }
}

/** The event as canonical JSON, without `unsigned` and with the signature as the bytes that it stands for. */
function essence({ unsigned: _unsigned, signatures, ...pdu }: Pdu): string {
  const text = (signatures as Record<string, Record<string, string>>)['a.org']?.['ed25519:1'] ?? assert.fail()
  return canonicalJson(
    { ...pdu, signature: Buffer.from(decodeBase64(text) ?? assert.fail()).toString('hex') },
    'lax',
  )
}

describe('a signed event', () => {
  it('is received as what it was sent as', () => {
    fc.assert(
      fc.property(signedEvent, ({ rules, pdu, eventId }) => {
        const received = receive(rules, Buffer.from(canonicalJson(pdu)))
        assert.deepEqual(received, pdu)
        assert.equal(eventIdOf(rules, received as Pdu), eventId)
      }),
      { numRuns: 150 },
    )
  })

  it('does not pass, or is the same, when any byte outside of unsigned is changed', () => {
    const found = { same: 0, 'no event': 0, 'bad signature': 0, 'bad hash': 0 }
    // Small differences make other letters of letters, large ones mostly bytes that are not UTF-8.
    const difference = fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: 1, max: 31 }) },
      fc.integer({ min: 1, max: 255 }),
    )
    const changed = fc.tuple(signedEvent, fc.nat(), difference)
    fc.assert(
      fc.property(changed, ([{ rules, pdu }, place, bits]) => {
        const text = canonicalJson(pdu)
        const bytes = Buffer.from(text)
        const at = place % Buffer.byteLength(withoutUnsigned(text))
        bytes[at] = (bytes[at] ?? 0) ^ bits
        const received = receive(rules, bytes)
        if (typeof received === 'string') {
          found[received]++
          return
        }
        // An escape can be written in capital letters, and base64 has bits at its end that stand for nothing.
        assert.equal(essence(received), essence(pdu))
        found.same++
      }),
      { numRuns: 400 },
    )
    // Each check is reached, so that none of them can be missing unnoticed.
    for (const outcome of ['no event', 'bad signature', 'bad hash'] as const) {
      assert.ok(found[outcome] > 10, JSON.stringify(found))
    }
  })

  it('does not pass, or is the same, when any letter or digit outside of unsigned is another', () => {
    fc.assert(
      fc.property(
        signedEvent,
        fc.nat(),
        fc.constantFrom('a', 'b', 'Z', '0', '1'),
        ({ rules, pdu }, place, letter) => {
          const text = canonicalJson(pdu)
          const letters = [...withoutUnsigned(text).matchAll(/[A-Za-z0-9]/g)]
          const at = letters[place % letters.length]?.index ?? 0
          const other = text.slice(0, at) + letter + text.slice(at + 1)
          const received = receive(rules, Buffer.from(other))
          if (typeof received !== 'string') assert.equal(essence(received), essence(pdu))
        },
      ),
      { numRuns: 400 },
    )
  })
})
