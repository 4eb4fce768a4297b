/** The examples of the specification: Appendices v1.19, "Canonical JSON". */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { canonicalJson } from './canonical.ts'
import { parseStrictJson } from './strict-parse.ts'
import { JsonError } from './types.ts'

interface CanonicalFixture {
  readonly cases: readonly { readonly given: string; readonly produced: string }[]
}

const file = new URL('../../test/fixtures/canonical-json.json', import.meta.url)
// The cast is sound as long as the tests below pass.
const fixture = JSON.parse(readFileSync(file, 'utf8')) as CanonicalFixture

test('the examples of the specification are written as it says', () => {
  assert.equal(fixture.cases.length, 10)
  for (const { given, produced } of fixture.cases) {
    assert.equal(canonicalJson(parseStrictJson(given, { integers: 'any' }), 'lax'), produced, given)
  }
})

test('the same is written where numbers are strict, but for the negative zero that "MUST NOT appear"', () => {
  for (const { given, produced } of fixture.cases) {
    const value = parseStrictJson(given, { integers: 'any' })
    if (given.includes('-0')) assert.throws(() => canonicalJson(value), JsonError)
    else assert.equal(canonicalJson(value), produced, given)
  }
})

test('what is produced is canonical: it is read by the strictest rules and written as it was', () => {
  for (const { produced } of fixture.cases) {
    const value = parseStrictJson(produced, { integers: 'strict', rejectDuplicateKeys: true })
    assert.equal(canonicalJson(value), produced)
  }
})
