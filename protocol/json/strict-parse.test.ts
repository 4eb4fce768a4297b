import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { NumberRule } from './scan.ts'
import { parseStrictJson, parseStrictJsonObject, type ParseOptions } from './strict-parse.ts'
import { JsonError, type JsonErrorKind } from './types.ts'

const strict: ParseOptions = { integers: 'strict' }

function refuses(input: string | Uint8Array, kind: JsonErrorKind, options: ParseOptions = strict): void {
  assert.throws(
    () => parseStrictJson(input, options),
    (error) => error instanceof JsonError && error.kind === kind,
    String(input),
  )
}

test('S-01: bytes that are not UTF-8 are refused, nothing becomes U+FFFD', () => {
  for (const bad of [[0xff], [0xc3, 0x28], [0xc0, 0x80], [0xed, 0xa0, 0x80]]) {
    refuses(Uint8Array.from([0x22, ...bad, 0x22]), 'invalid-utf8')
  }
  assert.equal(parseStrictJson(Buffer.from('"é\ufffd😀"'), strict), 'é\ufffd😀')
})

test('S-01: a byte order mark is no JSON at the start and data inside a string', () => {
  refuses(Buffer.from('\ufeff{}'), 'not-json')
  assert.equal(parseStrictJson(Buffer.from('"\ufeff"'), strict), '\ufeff')
})

test('S-02: numbers are accepted by rule', () => {
  const cases: readonly (readonly [string, readonly NumberRule[]])[] = [
    ['0', ['strict', 'any']],
    ['-1', ['strict', 'any']],
    ['9007199254740991', ['strict', 'any']],
    ['-9007199254740991', ['strict', 'any']],
    ['100000000000000', ['strict', 'any']],
    ['9007199254740992', ['any']],
    ['-9007199254740992', ['any']],
    ['9007199254740993', ['any']],
    ['1.0', ['any']],
    ['1e2', ['any']],
    ['1E2', ['any']],
    ['1.1', ['any']],
    ['-0', ['any']],
    ['-0.0', ['any']],
    ['1E400', []],
  ]
  for (const [token, rules] of cases) {
    for (const integers of ['strict', 'any'] as const) {
      const text = `{"a":[${token},1],"b":${token}}`
      if (rules.includes(integers))
        assert.doesNotThrow(() => parseStrictJson(text, { integers }), `${token} ${integers}`)
      else refuses(text, 'bad-json', { integers })
    }
  }
})

test('S-02: what the grammar of JSON does not know is no JSON', () => {
  for (const text of [
    'NaN',
    '01',
    '+1',
    '1.',
    '.5',
    '-',
    '1e',
    '--1',
    '0x1',
    'Infinity',
    '',
    '{',
    '{"a":1,}',
    "'a'",
    '1 2',
    '"\t"',
    '{"a":1.5',
  ]) {
    refuses(text, 'not-json')
  }
})

test('numbers inside strings and keys are text', () => {
  const text = String.raw`{"1.5":"1e9 -0 \" 2.5 \\","b":"\\"}`
  assert.deepEqual(parseStrictJson(text, strict), { '1.5': '1e9 -0 " 2.5 \\', b: '\\' })
})

test('S-03: nesting is refused above the limit and accepted below', () => {
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
  assert.doesNotThrow(() => parseStrictJson(nested(100), strict))
  refuses(nested(101), 'too-deep')
  refuses('['.repeat(5_000_000), 'too-deep')
  assert.doesNotThrow(() =>
    parseStrictJson(nested(32_000), { integers: 'strict', maxDepth: Number.POSITIVE_INFINITY }),
  )
  assert.doesNotThrow(() =>
    parseStrictJson(`[${'[],'.repeat(500)}"[[[["]`, { integers: 'strict', maxDepth: 2 }),
  )
})

test('S-04: U+0000 is kept and lone surrogates are refused, raw or escaped', () => {
  assert.equal(parseStrictJson(String.raw`"\u0000"`, strict), '\0')
  assert.equal(parseStrictJson(String.raw`"\ud83d\ude00 \uD83D\uDE00"`, strict), '😀 😀')
  const bad = [
    '"\\ud800"',
    '"\\udc00"',
    '"\\ud800\\ud800"',
    '"\\ud800x"',
    '"\\udc00\\ud800"',
    '{"\\ud800":1}',
    '"\ud800"',
    '"\\ud83d\\ude00\\ude00"',
  ]
  for (const text of bad) refuses(text, 'invalid-utf8')
  assert.equal(parseStrictJson(String.raw`"\\ud800"`, strict), String.raw`\ud800`)
})

test('S-05: equal keys are refused on demand, also when written with escapes', () => {
  const reject: ParseOptions = { integers: 'strict', rejectDuplicateKeys: true }
  for (const text of [
    '{"a":1,"a":1}',
    String.raw`{"a":1,"\u0061":2}`,
    '[{"x":{"b":1,"c":2,"b":3}}]',
    '{"__proto__":1,"__proto__":2}',
  ]) {
    refuses(text, 'bad-json', reject)
    assert.doesNotThrow(() => parseStrictJson(text, strict))
  }
  assert.doesNotThrow(() => parseStrictJson('{"a":{"a":":"},"b":[{"a":1},{"a":1}]}', reject))
})

test('S-05: a key __proto__ is data and changes no prototype', () => {
  const value = parseStrictJsonObject('{"__proto__":{"admin":true},"constructor":1}', strict)
  assert.deepEqual(Object.keys(value), ['__proto__', 'constructor'])
  assert.equal(Object.getPrototypeOf(value), Object.prototype)
  assert.equal(({} as Record<string, unknown>)['admin'], undefined)
})

test('an object is demanded where the caller needs one', () => {
  for (const text of ['[]', 'null', '1']) assert.throws(() => parseStrictJsonObject(text, strict), JsonError)
  assert.deepEqual(parseStrictJsonObject('{"a":1}', strict), { a: 1 })
})
