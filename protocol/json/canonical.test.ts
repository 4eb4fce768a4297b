import { test } from 'node:test'
import assert from 'node:assert/strict'
import { canonicalJson, compareCodePoints } from './canonical.ts'
import { JsonError, type JsonValue } from './types.ts'

// Appendices v1.19, "Canonical JSON", examples.
const examples: readonly (readonly [JsonValue, string])[] = [
  [{}, '{}'],
  [{ one: 1, two: 'Two' }, '{"one":1,"two":"Two"}'],
  [{ b: '2', a: '1' }, '{"a":"1","b":"2"}'],
  [{ a: '日本語' }, '{"a":"日本語"}'],
  [{ 本: 2, 日: 1 }, '{"日":1,"本":2}'],
  [{ a: '\u65E5' }, '{"a":"日"}'],
  [{ a: null }, '{"a":null}'],
  [{ a: 1e10 }, '{"a":10000000000}'],
  [
    {
      auth: {
        success: true,
        mxid: '@john.doe:example.com',
        profile: { three_pids: [{ medium: 'email', address: 'x' }, 0] },
      },
    },
    '{"auth":{"mxid":"@john.doe:example.com","profile":{"three_pids":[{"address":"x","medium":"email"},0]},"success":true}}',
  ],
]

test('the examples of the specification are written as it says', () => {
  for (const [value, text] of examples) assert.equal(canonicalJson(value), text)
})

test('keys are ordered by code point, integer-like keys as strings', () => {
  const value = { '\ue000': 1, '😀': 2, 10: 3, 9: 4, a: 5, '\uffff': 6, '': 7 }
  assert.equal(canonicalJson(value), '{"":7,"10":3,"9":4,"a":5,"\ue000":1,"\uffff":6,"😀":2}')
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${39 - i}`, i]))
  const keys = Object.keys(JSON.parse(canonicalJson(many)) as object)
  assert.deepEqual(keys, Array.from({ length: 40 }, (_, i) => `k${i}`).toSorted(compareCodePoints))
})

test('strings take the shortest escapes of the grammar', () => {
  assert.equal(canonicalJson('\b\t\n\f\r"\\/'), String.raw`"\b\t\n\f\r\"\\/"`)
  assert.equal(canonicalJson('\0\u000b\u001f\u007f\u2028'), '"\\u0000\\u000b\\u001f\u007f\u2028"')
  assert.equal(canonicalJson('x'.repeat(100) + '"'), `"${'x'.repeat(100)}\\""`)
})

test('numbers that are not canonical integers are refused', () => {
  for (const good of [0, 1, -1, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER]) {
    assert.equal(canonicalJson([good]), `[${good}]`)
  }
  for (const bad of [2 ** 53, -(2 ** 53), 1.1, -0, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(
      () => canonicalJson([bad]),
      (error) => error instanceof JsonError && error.kind === 'bad-json',
      String(bad),
    )
  }
})

test('old room versions may write any finite number', () => {
  assert.equal(canonicalJson([50.57, 2 ** 60], 'lax'), '[50.57,1152921504606846976]')
  assert.throws(() => canonicalJson([Number.POSITIVE_INFINITY], 'lax'), JsonError)
})

test('lone surrogates are refused in keys and values, however long', () => {
  for (const value of ['\ud800', { '\udc00': 1 }, `${'x'.repeat(100)}\ud800`]) {
    assert.throws(
      () => canonicalJson(value),
      (error) => error instanceof JsonError && error.kind === 'invalid-utf8',
    )
  }
})

test('what is not JSON is refused', () => {
  const notJson: unknown[] = [undefined, { a: undefined }, [() => 1], 1n]
  for (const value of notJson) assert.throws(() => canonicalJson(value as JsonValue), JsonError)
})

test('nesting of 30,000 levels is written, the same as when shallow', () => {
  const depth = 30_000
  const text = `${'[{"b":1,"a":'.repeat(depth)}"x"${'}]'.repeat(depth)}`
  const expected = `${'[{"a":'.repeat(depth)}"x"${',"b":1}]'.repeat(depth)}`
  assert.equal(canonicalJson(JSON.parse(text) as JsonValue) === expected, true)
  assert.equal(canonicalJson(JSON.parse('['.repeat(30_000) + ']'.repeat(30_000)) as JsonValue).length, 60_000)
})

test('own keys of prototype names are data', () => {
  const value = JSON.parse('{"constructor":1,"__proto__":{"admin":true}}') as JsonValue
  assert.equal(canonicalJson(value), '{"__proto__":{"admin":true},"constructor":1}')
})
