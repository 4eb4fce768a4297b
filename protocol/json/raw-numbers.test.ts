import { test } from 'node:test'
import assert from 'node:assert/strict'
import { canonicalJson } from './canonical.ts'
import { isCanonicalNumber, rawNumbersOf } from './raw-numbers.ts'
import { parseStrictJson, parseStrictJsonObject } from './strict-parse.ts'
import { JsonError, type JsonObject } from './types.ts'

function kept(text: string): JsonObject {
  return parseStrictJsonObject(text, { integers: 'any', keepNumbers: true })
}

test('numbers that are not canonical are written in lax canonical JSON as they came', () => {
  const cases: readonly (readonly [received: string, written: string])[] = [
    ['{"depth":9223372036854775807}', '{"depth":9223372036854775807}'],
    ['{"b":9007199254740993,"a":1.0}', '{"a":1.0,"b":9007199254740993}'],
    ['{"a":[1.50,{"b":1e10}],"c":-0.0}', '{"a":[1.50,{"b":1e10}],"c":-0.0}'],
    ['{"a":1,"b":[-1]}', '{"a":1,"b":[-1]}'],
    ['{"__proto__":{"a":2.0}}', '{"__proto__":{"a":2.0}}'],
    ['{"a":1.0,"a":2.50}', '{"a":2.50}'],
  ]
  for (const [received, written] of cases) assert.equal(canonicalJson(kept(received), 'lax'), written)
})

test('the negative zero of the example in the specification is written 0', () => {
  assert.equal(canonicalJson(kept('{"a":-0}'), 'lax'), '{"a":0}')
})

test('what is nested below the depth at which the writer changes keeps its numbers too', () => {
  const text = `${'['.repeat(300)}{"a":1.0,"b":[2.50]}${']'.repeat(300)}`
  const value = parseStrictJson(text, { integers: 'any', keepNumbers: true, maxDepth: 1_000 })
  assert.equal(canonicalJson(value, 'lax'), text)
})

test('a copy carries the numbers, and one that is replaced in it is written anew', () => {
  const object = kept('{"a":1.0,"b":2.0,"c":3}')
  const { c: _c, ...rest } = object
  assert.equal(canonicalJson({ ...rest, b: 5 }, 'lax'), '{"a":1.0,"b":5}')
})

test('strict canonical JSON knows nothing of it, and an ordinary value has nothing kept', () => {
  assert.equal(canonicalJson(kept('{"a":1.0}')), '{"a":1}')
  assert.throws(() => canonicalJson(kept('{"a":1.5}')), JsonError)
  assert.equal(rawNumbersOf(kept('{"a":1}')), undefined)
})

test('a number is canonical when its text is the one that canonical JSON gives it', () => {
  for (const text of ['0', '1', '-1', '9007199254740991'])
    assert.equal(isCanonicalNumber(text, Number(text)), true)
  for (const text of ['-0', '1.0', '1e1', '9007199254740992', '0.5'])
    assert.equal(isCanonicalNumber(text, Number(text)), false)
})
