import { test } from 'node:test'
import assert from 'node:assert/strict'
import { MatrixError } from '../errors.ts'
import { buildEvent, reviveBuiltEvent } from '../events/build.ts'
import { contentHash, hasValidContentHash } from '../events/hash.ts'
import type { Pdu } from '../events/pdu.ts'
import { redact } from '../events/redact.ts'
import { parseRoomId } from '../ids/room-id.ts'
import { parseServerName } from '../ids/server-name.ts'
import { parseUserId } from '../ids/user-id.ts'
import type { JsonObject } from '../json/types.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { rulesFor } from '../versions/table.ts'
import { decodeBase64, encodeBase64 } from './base64.ts'
import {
  exportSigningKey,
  importSigningKey,
  publicKeyFromBase64,
  signingKeyFromSeed,
  type VerifyKey,
} from './keys.ts'
import { signEvent, signJson, withSignatures } from './sign.ts'
import {
  requiredSigners,
  verifyAuthorisedJoin,
  verifyEvent,
  verifyJson,
  type KeyLookup,
  type SignatureVerdict,
} from './verify.ts'

// Appendices v1.19, "Cryptographic Test Vectors".
const key = importSigningKey('ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1')
const domain = parseServerName('domain')
const v12 = rules('12')

function rules(version: string): RoomVersionRules {
  const found = rulesFor(version)
  if (found === undefined) throw new Error(`no version ${version}`)
  return found
}

function knownKey(times: { validUntilTs?: number; expiredTs?: number } = {}): KeyLookup {
  const publicKey = publicKeyFromBase64(key.publicKey)
  if (publicKey === undefined) throw new Error('no key')
  const known: VerifyKey = { publicKey, validUntilTs: 2_000_000, ...times }
  return (server, keyId) => (server === domain && keyId === key.id ? known : undefined)
}

function reason(verdict: SignatureVerdict): string {
  return verdict.ok ? 'ok' : `${verdict.server} ${verdict.why}`
}

const fields = {
  type: 'm.room.message',
  sender: parseUserId('@a:domain'),
  roomId: parseRoomId(`!${'r'.repeat(43)}`),
  content: { body: 'x' },
  prevEvents: [],
  authEvents: [],
  depth: 3,
  originServerTs: 1_000_000,
}

function signed(): Pdu {
  const event = buildEvent(v12, fields)
  return withSignatures(event.pdu, [signEvent(event, key)])
}

const vectors: readonly (readonly [JsonObject, string])[] = [
  [{}, 'K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ'],
  [
    { one: 1, two: 'Two' },
    'KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw',
  ],
]

test('the JSON signatures of the specification are made and verified', () => {
  for (const [object, signature] of vectors) {
    const document = signJson(object, domain, key)
    assert.deepEqual(document, { ...object, signatures: { domain: { 'ed25519:1': signature } } })
    assert.equal(reason(verifyJson(document, domain, () => knownKey()(domain, key.id)?.publicKey)), 'ok')
  }
})

const minimal: JsonObject = {
  room_id: '!x:domain',
  sender: '@a:domain',
  origin: 'domain',
  origin_server_ts: 1000000,
  signatures: {},
  type: 'X',
  content: {},
  prev_events: [],
  auth_events: [],
  depth: 3,
  unsigned: { age_ts: 1000000 },
  hashes: {},
}
const redactable: JsonObject = {
  content: { body: 'Here is the message content' },
  event_id: '$0:domain',
  origin: 'domain',
  origin_server_ts: 1000000,
  type: 'm.room.message',
  room_id: '!r:domain',
  sender: '@u:domain',
  signatures: {},
  unsigned: { age_ts: 1000000 },
  hashes: {},
}

test('the event signatures of the specification are made and verified', () => {
  const cases = [
    [
      minimal,
      '5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos',
      'KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg',
    ],
    [
      redactable,
      'onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g',
      'Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA',
    ],
  ] as const
  for (const [event, sha256, signature] of cases) {
    const pdu = { ...event, hashes: { sha256 } } as unknown as Pdu
    assert.equal(contentHash(rules('3'), pdu), sha256)
    const built = reviveBuiltEvent(rules('3'), pdu)
    assert.deepEqual(signEvent(built, key), { server: 'domain', keyId: 'ed25519:1', signature })
    const complete = withSignatures(pdu, [signEvent(built, key)])
    assert.equal(reason(verifyEvent(rules('3'), complete, knownKey())), 'ok')
    assert.equal(hasValidContentHash(rules('3'), complete), true)
  }
})

test('a signature covers what survives redaction, and nothing else', () => {
  const pdu = signed()
  const changes: readonly (readonly [Pdu, string])[] = [
    [pdu, 'ok'],
    [redact(v12, pdu), 'ok'],
    [{ ...pdu, content: { body: 'y' } }, 'ok'],
    [{ ...pdu, unsigned: { age: 1 } }, 'ok'],
    [{ ...pdu, depth: 4 }, 'domain bad_signature'],
    [{ ...pdu, hashes: { sha256: 'x' } }, 'domain bad_signature'],
    [{ ...pdu, signatures: {} }, 'domain no_signature'],
    [{ ...pdu, signatures: { domain: {} } }, 'domain no_known_key'],
    [{ ...pdu, signatures: { domain: { 'ed25519:2': 'x' } } }, 'domain no_known_key'],
    [{ ...pdu, signatures: { domain: { 'ed25519:1': 'x' } } }, 'domain bad_signature'],
    [{ ...pdu, signatures: { domain: { 'ed25519:1': 1 } } }, 'domain bad_signature'],
    [{ ...pdu, sender: parseUserId('@a:other') }, 'other no_signature'],
  ]
  for (const [event, expected] of changes) assert.equal(reason(verifyEvent(v12, event, knownKey())), expected)
})

test('a key counts only for the time for which it is valid', () => {
  const pdu = signed()
  const at = (version: string, times: { validUntilTs?: number; expiredTs?: number }): string => {
    const event = buildEvent(rules(version), fields)
    return reason(
      verifyEvent(rules(version), withSignatures(event.pdu, [signEvent(event, key)]), knownKey(times)),
    )
  }
  assert.equal(pdu.origin_server_ts, 1_000_000)
  assert.equal(at('12', { validUntilTs: 1_000_000 }), 'ok')
  assert.equal(at('12', { validUntilTs: 999_999 }), 'domain no_known_key')
  assert.equal(at('4', { validUntilTs: 999_999 }), 'ok')
  assert.equal(at('4', { expiredTs: 999_999 }), 'domain no_known_key')
  assert.equal(at('12', { expiredTs: 1_000_000, validUntilTs: 0 }), 'ok')
})

test('the servers that must sign follow from event and version', () => {
  const member = (content: JsonObject, version: string): readonly string[] => {
    const pdu = {
      ...minimal,
      type: 'm.room.member',
      event_id: '$1:ids',
      content,
      hashes: { sha256: 'x' },
    } as unknown as Pdu
    return requiredSigners(rules(version), pdu)
  }
  assert.deepEqual(member({ membership: 'join' }, '12'), ['domain'])
  assert.deepEqual(member({ membership: 'join' }, '2'), ['domain', 'ids'])
  assert.deepEqual(member({ membership: 'invite', third_party_invite: {} }, '12'), [])
  assert.deepEqual(member({ membership: 'join', join_authorised_via_users_server: '@x:host' }, '12'), [
    'domain',
    'host',
  ])
  assert.deepEqual(member({ membership: 'join', join_authorised_via_users_server: '@x:host' }, '7'), [
    'domain',
  ])
})

test('a restricted join must be signed by the server that authorised it', () => {
  const event = buildEvent(v12, {
    ...fields,
    type: 'm.room.member',
    stateKey: '@a:domain',
    content: { membership: 'join', join_authorised_via_users_server: '@x:host' },
  })
  const pdu = withSignatures(event.pdu, [signEvent(event, key)])
  assert.equal(reason(verifyEvent(v12, pdu, knownKey())), 'ok')
  assert.equal(reason(verifyAuthorisedJoin(v12, pdu, knownKey())), 'host no_signature')
})

test('a second signature leaves the first', () => {
  const other = signingKeyFromSeed('2', new Uint8Array(32).fill(7))
  const twice = signJson(signJson({ a: 1, unsigned: { b: 2 } }, domain, key), domain, other)
  const signatures = twice['signatures'] as Record<string, Record<string, string>>
  assert.deepEqual(Object.keys(signatures['domain'] ?? {}), ['ed25519:1', 'ed25519:2'])
  assert.deepEqual(twice['unsigned'], { b: 2 })
})

test('keys survive export and import, and bad ones are refused', () => {
  const made = signingKeyFromSeed('a_1', new Uint8Array(32).fill(3))
  const back = importSigningKey(`${exportSigningKey(made)}\n`)
  assert.deepEqual([back.id, back.publicKey], ['ed25519:a_1', made.publicKey])
  for (const bad of [
    '',
    'ed25519 1',
    'ed25519 1 abc',
    'rsa 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1',
    'ed25519 a-b YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1',
  ]) {
    assert.throws(() => importSigningKey(bad), MatrixError)
  }
  assert.equal(publicKeyFromBase64('abc'), undefined)
  assert.equal(publicKeyFromBase64('!'), undefined)
})

test('base64 is written without padding and read with or without', () => {
  // Appendices v1.19, "Unpadded Base64".
  for (const [text, encoded] of [
    ['', ''],
    ['f', 'Zg'],
    ['fo', 'Zm8'],
    ['foo', 'Zm9v'],
    ['foobar', 'Zm9vYmFy'],
  ] as const) {
    assert.equal(encodeBase64(Buffer.from(text)), encoded)
    assert.equal(Buffer.from(decodeBase64(encoded) ?? []).toString(), text)
  }
  assert.equal(Buffer.from(decodeBase64('Zg==') ?? []).toString(), 'f')
  for (const bad of ['Z-', 'Z g', 'Zg=x']) assert.equal(decodeBase64(bad), undefined)
})
