import { test } from 'node:test'
import assert from 'node:assert/strict'
import { canonicalJson } from '../json/canonical.ts'
import { parseReceivedJson } from '../json/received.ts'
import { stringField, type JsonObject } from '../json/types.ts'
import { member, rulesOf, TestRoom } from '../receive/receive-fixture.ts'
import { contentHash, eventIdOf, hasValidContentHash } from './hash.ts'
import { checkReceivedFormat, parseStoredPdu } from './pdu.ts'
import { withoutForeignUnsigned } from './unsigned.ts'

function messageText(version: string): string {
  return JSON.stringify(new TestRoom(version).make({ type: 'm.room.message', sender: member }).pdu)
}

function ruleOf(version: string, text: string): string {
  const verdict = checkReceivedFormat(rulesOf(version), parseReceivedJson(text))
  return verdict.ok ? 'ok' : verdict.rule
}

test('what JSON.parse hides is dropped from version 6 on, and before it only what nobody could write again', () => {
  const changes = {
    float: ['"content":{}', '"content":{"n":1.0}'],
    exponent: ['"content":{}', '"content":{"n":1e3}'],
    large: ['"content":{}', '"content":{"n":9007199254740993}'],
    'negative zero': ['"content":{}', '"content":{"n":-0}'],
    'equal keys': ['"content":{}', '"content":{"a":1,"a":1}'],
    'in unsigned': ['"content":{}', '"content":{},"unsigned":{"age":1.5}'],
  } as const
  const fatal = {
    infinite: ['"content":{}', '"content":{"n":1e999}'],
    'lone surrogate': ['"content":{}', String.raw`"content":{"n":"\udc00"}`],
  } as const
  for (const [version, expected] of [
    ['5', 'ok'],
    ['6', 'not_canonical_json'],
    ['12', 'not_canonical_json'],
  ] as const) {
    assert.equal(ruleOf(version, messageText(version)), 'ok')
    for (const [name, [from, to]] of Object.entries(changes)) {
      assert.equal(ruleOf(version, messageText(version).replace(from, to)), expected, `${version} ${name}`)
    }
    for (const [name, [from, to]] of Object.entries(fatal)) {
      const text = messageText(version).replace(from, to)
      assert.equal(ruleOf(version, text), 'not_canonical_json', `${version} ${name}`)
    }
  }
})

test('an event of version 1 or 2 that refers to itself is dropped', () => {
  for (const version of ['1', '2']) {
    const event = JSON.parse(messageText(version)) as JsonObject
    const own = [[event['event_id'] ?? null, { sha256: 'x' }]]
    assert.equal(ruleOf(version, JSON.stringify({ ...event, prev_events: own })), 'prev_events')
    assert.equal(ruleOf(version, JSON.stringify({ ...event, auth_events: own })), 'auth_events')
  }
})

test('a stored event of an old version is written and hashed again as it came', () => {
  const rules = rulesOf('5')
  const text = messageText('5')
    .replace('"content":{}', '"content":{"n":[1.50,{"m":2e5}]}')
    .replace(/"depth":\d+/, '"depth":1e2')
  const received = checkReceivedFormat(rules, parseReceivedJson(text))
  assert.ok(received.ok)
  const stored = parseStoredPdu(rules, received.json)
  assert.equal(canonicalJson(stored, 'lax'), received.json)
  assert.equal(contentHash(rules, stored), contentHash(rules, received.pdu))
  assert.equal(eventIdOf(rules, stored), eventIdOf(rules, received.pdu))
  assert.match(received.json, /"depth":1e2,/)
})

test('a content hash is the same with padding, and another one is not', () => {
  const rules = rulesOf('11')
  const { pdu } = new TestRoom('11').make({ type: 'm.room.message', sender: member })
  const sha256 = stringField(pdu.hashes, 'sha256') ?? ''
  assert.equal(hasValidContentHash(rules, pdu), true)
  assert.equal(hasValidContentHash(rules, { ...pdu, hashes: { sha256: `${sha256}=` } }), true)
  for (const other of ['', 'AAAA', '!', 'A'.repeat(43)])
    assert.equal(hasValidContentHash(rules, { ...pdu, hashes: { sha256: other } }), false)
})

test('of what comes as `unsigned` only the state for outsiders stays, and nothing is lost besides', () => {
  const event = { type: 'm.room.member', content: {}, unsigned: { knock_room_state: [1], age: 5 } }
  assert.deepEqual(withoutForeignUnsigned(event), { ...event, unsigned: { knock_room_state: [1] } })
  assert.deepEqual(withoutForeignUnsigned({ ...event, type: 'x' }), { type: 'x', content: {} })
  assert.deepEqual(withoutForeignUnsigned({ type: 'm.room.member', unsigned: { age: 5 } }), {
    type: 'm.room.member',
  })
  for (const same of [{ a: 1 }, { unsigned: 1 }]) assert.deepEqual(withoutForeignUnsigned(same), same)
})
