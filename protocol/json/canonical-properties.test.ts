/** What holds for the canonical JSON of every value: appendices v1.19, "Canonical JSON". */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { canonicalJson } from './canonical.ts'
import { canonicalObject, canonicalValue } from './random-json-fixture.ts'
import { parseStrictJson } from './strict-parse.ts'
import { isJsonObject, objectFromEntries, type JsonValue } from './types.ts'

const runs = { numRuns: 400 }

/** The definition, without care for speed or depth. */
function naive(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map((item: JsonValue) => naive(item)).join(',')}]`
  if (!isJsonObject(value)) return JSON.stringify(value)
  const entries = Object.entries(value).toSorted(([a], [b]) => byCodePoints(Array.from(a), Array.from(b)))
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${naive(item)}`).join(',')}}`
}

function byCodePoints(a: readonly string[], b: readonly string[]): number {
  const at = a.findIndex((character, index) => character !== b[index])
  if (at < 0) return a.length - b.length
  return (a[at]?.codePointAt(0) ?? 0) - (b[at]?.codePointAt(0) ?? -1)
}

/** The value with the members of each object in the opposite order. */
function reversed(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((item: JsonValue) => reversed(item))
  if (!isJsonObject(value)) return value
  return objectFromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, item]) => [key, reversed(item)]),
  )
}

function escaped(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, (unit) =>
    unit === '\n' ? '\n' : `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0').toUpperCase()}`,
  )
}

describe('canonical JSON', () => {
  it('is a fixed point: what is read from it is written as it was, and is the same value', () => {
    fc.assert(
      fc.property(canonicalValue, (value) => {
        const text = canonicalJson(value)
        const back = parseStrictJson(Buffer.from(text), { integers: 'strict', rejectDuplicateKeys: true })
        assert.deepEqual(back, value)
        assert.equal(canonicalJson(back), text)
        assert.equal(canonicalJson(back, 'lax'), text)
      }),
      runs,
    )
  })

  it('is what the definition says', () => {
    fc.assert(
      fc.property(canonicalValue, (value) => assert.equal(canonicalJson(value), naive(value))),
      runs,
    )
  })

  it('does not depend on the order of keys, on white space or on escapes', () => {
    fc.assert(
      fc.property(canonicalObject, (value) => {
        const text = canonicalJson(value)
        assert.equal(canonicalJson(reversed(value)), text)
        const spaced = JSON.stringify(value, null, 2)
        assert.equal(canonicalJson(parseStrictJson(spaced, { integers: 'strict' })), text)
        assert.equal(canonicalJson(parseStrictJson(escaped(spaced), { integers: 'strict' })), text)
      }),
      runs,
    )
  })

  it('is a fixed point for every number of the older room versions', () => {
    const number = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger())
    fc.assert(
      fc.property(number, (value) => {
        const text = canonicalJson({ n: value }, 'lax')
        const back = parseStrictJson(text, { integers: 'any' })
        assert.equal(canonicalJson(back, 'lax'), text)
        // Zero has one form, which is read as the positive one.
        assert.deepEqual(back, { n: value + 0 })
      }),
      runs,
    )
  })

  it('is the same above and below the depth at which another writer takes over', () => {
    fc.assert(
      fc.property(canonicalValue, fc.integer({ min: 190, max: 210 }), (value, depth) => {
        let nested = value
        for (let level = 0; level < depth; level++) nested = level % 2 === 0 ? [nested] : { k: nested }
        assert.equal(canonicalJson(nested), naive(nested))
      }),
      { numRuns: 60 },
    )
  })
})
