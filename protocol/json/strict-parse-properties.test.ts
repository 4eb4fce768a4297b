/** What holds for the reading of any text, JSON or nearly JSON. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { canonicalObject, canonicalValue, unicodeText } from './random-json-fixture.ts'
import { parseStrictJson, type ParseOptions } from './strict-parse.ts'
import { isJsonObject, JsonError, type JsonErrorKind, type JsonValue } from './types.ts'

/** The value, or the kind of the error; every other error is a failure. */
function read(
  input: string | Uint8Array,
  options: ParseOptions,
): { readonly value: JsonValue } | JsonErrorKind {
  try {
    return { value: parseStrictJson(input, options) }
  } catch (error) {
    if (error instanceof JsonError) return error.kind
    throw error
  }
}

const numbers = ['0', '-0', '1', '-1', '1.0', '1e3', '1.5', '1E400', '9007199254740991', '9007199254740993']
const strings = [
  '"a"',
  '""',
  '"1e3"',
  String.raw`"\ud83d\ude00"`,
  String.raw`"\ud800"`,
  String.raw`"\u0000\\"`,
]
const item = fc.constantFrom(...numbers, ...strings, 'null', 'true', '[]', '{}', '{"a":-0}', '[1, 2]')
const piece = fc.oneof(
  item,
  fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '\\', ' ', '\t', '\n', '"a":', '"__proto__":'),
  fc.constantFrom('01', '+1', '.5', '-', '1e', 'NaN', 'nul', String.raw`"\x"`, '"\n"', '\ufeff'),
)

/** Texts that are JSON, or would be but for a piece in the wrong place. */
const nearlyJson = fc.oneof(
  fc.array(item, { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
  fc
    .array(item, { maxLength: 4 })
    .map((items) => `{${items.map((one, at) => `"k${at}":${one}`).join(' , ')}}`),
  fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join('')),
  fc.array(piece, { maxLength: 3 }).map((pieces) => `{"a":[${pieces.join(',')}],"b":1}`),
)

/** JSON text of which some bytes may have been changed. */
const damagedJson = fc
  .tuple(canonicalValue, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }))
  .map(([value, changes]) => {
    const bytes = Buffer.from(JSON.stringify(value))
    for (const [place, byte] of changes) bytes[place % bytes.length] = byte
    return bytes
  })

function tryJsonParse(text: string): { readonly value: JsonValue } | undefined {
  try {
    // The cast is sound: without a reviver JSON.parse returns nothing but JSON values.
    return { value: JSON.parse(text) as JsonValue }
  } catch {
    return undefined
  }
}

/** Whether all strings are Unicode and all numbers finite, keys included. */
function isSound(value: JsonValue): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value === 'number') return Number.isFinite(value)
  if (isJsonObject(value))
    return Object.entries(value).every(([key, item]) => key.isWellFormed() && isSound(item))
  return !Array.isArray(value) || value.every((item: JsonValue) => isSound(item))
}

describe('reading of JSON', () => {
  it('accepts what JSON.parse accepts and Unicode and doubles can hold, as the same value', () => {
    fc.assert(
      fc.property(nearlyJson, (text) => {
        const outcome = read(text, { integers: 'any' })
        const expected = tryJsonParse(text)
        if (expected === undefined) assert.equal(outcome, 'not-json')
        else if (isSound(expected.value)) assert.deepEqual(outcome, expected)
        else assert.ok(outcome === 'bad-json' || outcome === 'invalid-utf8')
      }),
      { numRuns: 1500 },
    )
  })

  it('comes to the same from bytes and from text, and refuses bytes that are not UTF-8', () => {
    fc.assert(
      fc.property(damagedJson, (bytes) => {
        const outcome = read(bytes, { integers: 'strict' })
        const text = bytes.toString('utf8')
        if (Buffer.from(text).equals(bytes)) assert.deepEqual(outcome, read(text, { integers: 'strict' }))
        else assert.equal(outcome, 'invalid-utf8')
      }),
      { numRuns: 800 },
    )
  })

  it('accepts under the strict rule those of the accepted texts whose numbers are written as canonical JSON does', () => {
    fc.assert(
      fc.property(nearlyJson, (text) => {
        const any = read(text, { integers: 'any' })
        const strict = read(text, { integers: 'strict' })
        if (typeof any === 'string') {
          assert.ok(typeof strict === 'string')
          return
        }
        // Numbers outside of strings, found in a way of their own: the strings are taken away first.
        const tokens = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '').match(/-?[0-9][0-9.eE+-]*/g) ?? []
        const areCanonical = tokens.every(
          (token) => Number.isSafeInteger(Number(token)) && String(Number(token)) === token,
        )
        assert.deepEqual(strict, areCanonical ? any : 'bad-json', text)
      }),
      { numRuns: 1500 },
    )
  })

  it('finds equal keys wherever they are, and no others', () => {
    const members = fc.array(fc.tuple(unicodeText, canonicalObject), { maxLength: 6 })
    fc.assert(
      fc.property(members, fc.boolean(), fc.nat(), (entries, isRepeated, place) => {
        const unique = [...new Map(entries)]
        const again = isRepeated ? unique.slice(place % (unique.length + 1)).slice(0, 1) : []
        const texts = [...unique, ...again].map(
          ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`,
        )
        const outcome = read(`[0,{${texts.join(',')}}]`, { integers: 'strict', rejectDuplicateKeys: true })
        if (again.length > 0) assert.equal(outcome, 'bad-json')
        else assert.deepEqual(outcome, { value: [0, Object.fromEntries(unique)] })
      }),
      { numRuns: 300 },
    )
  })

  it('refuses by depth exactly what is deeper than the limit', () => {
    const depthOf = (value: JsonValue): number =>
      typeof value === 'object' && value !== null
        ? 1 + Math.max(0, ...Object.values(value).map((item: JsonValue) => depthOf(item)))
        : 0
    fc.assert(
      fc.property(canonicalValue, fc.integer({ min: 0, max: 7 }), (value, maxDepth) => {
        const outcome = read(JSON.stringify(value), { integers: 'strict', maxDepth })
        assert.deepEqual(outcome, depthOf(value) > maxDepth ? 'too-deep' : { value })
      }),
      { numRuns: 400 },
    )
  })
})
