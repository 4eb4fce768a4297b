import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseServerName } from '../ids/server-name.ts'
import { parseSigningKeyId } from '../ids/key-id.ts'
import type { JsonObject } from '../json/types.ts'
import { signingKeyFromSeed } from './keys.ts'
import { isValidForRequests, maxKeyValidityMs, readServerKeys, serverKeysDocument } from './server-keys.ts'
import { signJson } from './sign.ts'

const server = parseServerName('a.org')
const first = signingKeyFromSeed('1', new Uint8Array(32).fill(1))
const second = signingKeyFromSeed('2', new Uint8Array(32).fill(2))
const gone = signingKeyFromSeed('0', new Uint8Array(32).fill(3))
const now = 1_000_000
const published = {
  server,
  keys: [first, second],
  oldKeys: [{ id: gone.id, publicKey: gone.publicKey, expiredTs: 500 }],
  validUntilTs: now + 1_000,
}
const document = serverKeysDocument(published)

/** The document with another field, signed anew by the first key. */
function changed(change: JsonObject): JsonObject {
  const { signatures: _signatures, ...rest } = document
  return signJson({ ...rest, ...change }, server, first)
}

test('what a server publishes is signed with each of its keys and read back', () => {
  const signatures = document['signatures'] as Record<string, Record<string, string>>
  assert.deepEqual(Object.keys(signatures['a.org'] ?? {}), [first.id, second.id])
  const read = readServerKeys(document, server, now) ?? assert.fail()
  assert.equal(read.validUntilTs, now + 1_000)
  assert.deepEqual([...read.keys.keys()], [gone.id, first.id, second.id])
  assert.equal(read.keys.get(first.id)?.expiredTs, undefined)
  assert.equal(read.keys.get(gone.id)?.expiredTs, 500)
})

test('a key is valid for seven days at most, whatever its owner says', () => {
  const long = serverKeysDocument({ ...published, validUntilTs: now + 100 * maxKeyValidityMs })
  const read = readServerKeys(long, server, now) ?? assert.fail()
  assert.equal(read.validUntilTs, now + maxKeyValidityMs)
  assert.equal(read.keys.get(first.id)?.validUntilTs, now + maxKeyValidityMs)
})

test('a document that is not of the server, or not signed by a key in use, is not read', () => {
  const bad: readonly JsonObject[] = [
    changed({ server_name: 'b.org' }),
    changed({ valid_until_ts: 'x' }),
    changed({ valid_until_ts: -1 }),
    changed({ verify_keys: {} }),
    changed({ verify_keys: { 'rsa:1': { key: first.publicKey } } }),
    changed({ verify_keys: { [first.id]: { key: 'x' } } }),
    { ...document, valid_until_ts: now + 2_000 },
    { ...document, n: 1.5 },
    { ...document, signatures: {} },
    signJson({ ...document, signatures: {} }, server, gone),
  ]
  for (const one of bad) assert.equal(readServerKeys(one, server, now), undefined, JSON.stringify(one))
  assert.equal(readServerKeys([], server, now), undefined)
  assert.equal(readServerKeys(document, parseServerName('b.org'), now), undefined)
})

test('entries that are no keys are passed over, and a key in use is not an old one', () => {
  const read = readServerKeys(
    changed({
      verify_keys: { [first.id]: { key: first.publicKey }, 'ed25519:a-b': { key: first.publicKey }, x: 1 },
      old_verify_keys: {
        [first.id]: { key: gone.publicKey, expired_ts: 1 },
        [gone.id]: { key: gone.publicKey },
      },
    }),
    server,
    now,
  )
  assert.deepEqual([...(read?.keys.keys() ?? [])], [first.id])
  assert.equal(read?.keys.get(first.id)?.expiredTs, undefined)
})

test('requests are verified by keys that are in use and valid now', () => {
  const read = readServerKeys(document, server, now) ?? assert.fail()
  const inUse = read.keys.get(first.id) ?? assert.fail()
  const old = read.keys.get(parseSigningKeyId('ed25519:0')) ?? assert.fail()
  assert.equal(isValidForRequests(inUse, now + 1_000), true)
  assert.equal(isValidForRequests(inUse, now + 1_001), false)
  assert.equal(isValidForRequests(old, now), false)
})
