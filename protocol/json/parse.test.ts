import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { canonicalJson } from './canonical.ts'
import { parseJson } from './parse.ts'
import { canonicalObject, canonicalValue } from './random-json-fixture.ts'
import { parseKeepingNumbers } from './raw-numbers.ts'
import { parseStrictJson } from './strict-parse.ts'
import type { JsonValue } from './types.ts'

/** What was parsed last, and a text whose second key it must not become. */
const pairs = [
  ['{"a":1,"\\\\":2}', '{"a":1,"\\u0001":2}', '\u0001'],
  ['{"a":1,"\\\\":2}', '{"a":1,"\\"":2}', '"'],
  ['{"x":1,"\\\\u0":2}', '{"x":1,"\\u0041BC":2}', 'ABC'],
  ['{"y":1,"ab\\\\":2}', '{"y":1,"ab\\n":2}', 'ab\n'],
] as const

const parsers: readonly (readonly [string, (text: string) => JsonValue])[] = [
  ['parseJson', parseJson],
  ['parseStrictJson', (text) => parseStrictJson(text, { integers: 'any' })],
  [
    'parseStrictJson, keeping numbers',
    (text) => parseStrictJson(text, { integers: 'any', keepNumbers: true }),
  ],
  ['parseKeepingNumbers', parseKeepingNumbers],
]

/** Every character of every string as an escape. */
function escapedJson(value: JsonValue): string {
  return JSON.stringify(value).replaceAll(/"((?:[^"\\]|\\.)*)"/g, (_string, inner: string) => {
    const text = JSON.parse(`"${inner}"`) as string
    const units = Array.from({ length: text.length }, (_, i) =>
      text.charCodeAt(i).toString(16).padStart(4, '0'),
    )
    return `"${units.map((unit) => `\\u${unit}`).join('')}"`
  })
}

describe('keys that are written with escapes', () => {
  for (const [name, parse] of parsers) {
    it(`are not taken for those of an object that was parsed before: ${name}`, () => {
      for (const [before, text, key] of pairs) {
        parse(before)
        parse(before)
        assert.deepEqual(Object.keys(parse(text) as object).at(-1), key)
      }
    })

    it(`are read as they are, however often and after whatever: ${name}`, () => {
      fc.assert(
        fc.property(canonicalObject, canonicalValue, (before, value) => {
          parse(JSON.stringify(before))
          assert.equal(canonicalJson(parse(escapedJson(value))), canonicalJson(value))
          assert.equal(canonicalJson(parse(JSON.stringify(value))), canonicalJson(value))
        }),
        { numRuns: 200 },
      )
    })
  }

  it('count as equal to those without, and the last one counts', () => {
    assert.deepEqual(parseJson('{"\\u0061":1,"a":2,"b":{"a":3,"\\u0061":4}}'), { a: 2, b: { a: 4 } })
  })

  it('are data when JavaScript knows their names', () => {
    const value = parseJson('{"__proto_\\u005f":{"x\\n":1},"b":[{"\\u005f_proto__":2}]}')
    assert.equal(canonicalJson(value), '{"__proto__":{"x\\n":1},"b":[{"__proto__":2}]}')
    assert.equal(Object.getPrototypeOf(value), Object.prototype)
  })

  it('keep the forms of the numbers beside and behind them', () => {
    const text = '{"\\n":1.0,"a":[2.0,{"\\"":3e1}]}'
    assert.equal(canonicalJson(parseKeepingNumbers(text), 'lax'), text)
  })

  it('do not make JSON of what is none', () => {
    for (const text of ['{"\\x":1}', '{"\\n":1', '{"\\n"1}', '{"\\n":"\\q"}', '{"\n\\n":1}']) {
      assert.throws(() => parseJson(text), SyntaxError, text)
    }
  })

  it('may stand as deep as they like', () => {
    const depth = 20_000
    const value = parseJson('{"\\n":'.repeat(depth) + '1' + '}'.repeat(depth))
    let inner = value
    for (let i = 0; i < depth; i++) inner = (inner as { readonly '\n': JsonValue })['\n']
    assert.equal(inner, 1)
  })
})
