/** The vectors of the specification: Appendices v1.19, "Cryptographic Test Vectors". */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { reviveBuiltEvent } from '../events/build.ts'
import { contentHash, hasValidContentHash } from '../events/hash.ts'
import type { Pdu } from '../events/pdu.ts'
import { parseServerName } from '../ids/server-name.ts'
import type { JsonObject } from '../json/types.ts'
import { roomVersions } from '../versions/table.ts'
import { importSigningKey, publicKeyFromBase64 } from './keys.ts'
import { signEvent, signJson, withSignatures } from './sign.ts'
import { verifyEvent, verifyJson, type KeyLookup } from './verify.ts'

interface SigningFixture {
  readonly seed: string
  readonly server: string
  readonly keyId: string
  readonly json: readonly SignedPair[]
  readonly events: readonly SignedPair[]
}

interface SignedPair {
  readonly given: JsonObject
  readonly signed: JsonObject
}

const file = new URL('../../test/fixtures/signing.json', import.meta.url)
// The cast is sound as long as the tests below pass.
const fixture = JSON.parse(readFileSync(file, 'utf8')) as SigningFixture
const server = parseServerName(fixture.server)
const key = importSigningKey(`ed25519 ${fixture.keyId.replace('ed25519:', '')} ${fixture.seed}`)
const publicKey = publicKeyFromBase64(key.publicKey) ?? assert.fail()
const keys: KeyLookup = (of, keyId) =>
  of === server && keyId === fixture.keyId ? { publicKey, validUntilTs: 2_000_000 } : undefined

test('JSON is signed as the specification says, and what it shows verifies', () => {
  assert.equal(fixture.json.length, 2)
  for (const { given, signed } of fixture.json) {
    assert.deepEqual(signJson(given, server, key), signed)
    assert.deepEqual(
      verifyJson(signed, server, () => publicKey),
      { ok: true },
    )
  }
})

test('events are hashed and signed as the specification says, and what it shows verifies', () => {
  assert.equal(fixture.events.length, 2)
  for (const { given, signed } of fixture.events) {
    // Both events have an `origin`, which the redaction of version 11 and later takes away. One has no `event_id`,
    // which versions 1 and 2 demand.
    const first = 'event_id' in given ? 1 : 3
    for (const rules of roomVersions.values()) {
      if (Number(rules.id) < first || Number(rules.id) > 10) continue
      // The casts are sound for what is done here: the second event of the specification lacks fields of a Pdu.
      const pdu = { ...given, hashes: { sha256: contentHash(rules, given as unknown as Pdu) } }
      const unsigned = pdu as unknown as Pdu
      const event = withSignatures(unsigned, [signEvent(reviveBuiltEvent(rules, unsigned), key)])
      assert.deepEqual(event, signed, `version ${rules.id}`)
      const shown = signed as unknown as Pdu
      assert.equal(hasValidContentHash(rules, shown), true)
      assert.deepEqual(verifyEvent(rules, shown, keys), { ok: true })
    }
  }
})
