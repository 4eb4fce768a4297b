import { test } from 'node:test'
import assert from 'node:assert/strict'
import { canonicalJson } from './canonical.ts'
import { parseReceivedBody, receivedElements, receivedJson, receivedWhole } from './received.ts'
import { JsonError } from './types.ts'

test('of a received text it is told what is wrong with it, and its numbers are kept', () => {
  const read = (text: string): readonly string[] => [...receivedJson(text, JSON.parse(text)).flaws].sort()
  assert.deepEqual(read('{"a":[1,"x",true,null]}'), [])
  assert.deepEqual(read('{"a":1.0}'), ['numbers'])
  assert.deepEqual(read('{"a":1e999}'), ['infinite-numbers', 'numbers'])
  assert.deepEqual(read(String.raw`{"a":"\ud800","b":1,"\u0062":2.5}`), [
    'duplicate-keys',
    'lone-surrogates',
    'numbers',
  ])
  const text = '[[],[[1.0]]]'
  const received = receivedJson(text, JSON.parse(text))
  assert.equal(received.depth, 3)
  assert.equal(canonicalJson(received.value, 'lax'), text)
})

test('numbers in what is nested too deeply to be kept are those of JSON.parse', () => {
  const text = `${'['.repeat(30_000)}1.0${']'.repeat(30_000)}`
  const received = receivedJson(text, JSON.parse(text))
  assert.equal(received.depth, 30_000)
  assert.equal(canonicalJson(received.value, 'lax'), text.replace('1.0', '1'))
})

test('what is wrong in one part of a body is laid to the charge of that part alone', () => {
  const text = String.raw`{"pdus":[{"a":1},{"a":1.5},{"a":1,"a":2},"\ud800",{"b":{}}],"origin":"x"}`
  const body = parseReceivedBody(Buffer.from(text.replace(String.raw`\u`, String.raw`\u`)))
  const parts = receivedElements(body, 'pdus') ?? assert.fail()
  assert.deepEqual(
    parts.map((part) => [...part.flaws].join()),
    ['', 'numbers', 'duplicate-keys', 'lone-surrogates', ''],
  )
  assert.deepEqual(
    parts.map((part) => part.depth),
    [1, 1, 1, 0, 2],
  )
  assert.equal(receivedElements(body, 'origin'), undefined)
  assert.equal(receivedElements(body, 'edus'), undefined)
  assert.equal(receivedWhole(body).flaws.size, 3)
})

test('a body that is not UTF-8, not JSON or no object is refused as a whole', () => {
  const kindOf = (bytes: Uint8Array): string => {
    try {
      parseReceivedBody(bytes)
      return 'ok'
    } catch (error) {
      assert.ok(error instanceof JsonError)
      return error.kind
    }
  }
  assert.equal(kindOf(Buffer.from('{}')), 'ok')
  assert.equal(kindOf(Buffer.from('[]')), 'bad-json')
  assert.equal(kindOf(Buffer.from('{"pdus":[{},]}')), 'not-json')
  assert.equal(kindOf(Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), 'invalid-utf8')
})
