/** Texts that implementations of JSON read in different ways, under each rule for numbers. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { canonicalJson } from './canonical.ts'
import type { NumberRule } from './scan.ts'
import { parseStrictJson } from './strict-parse.ts'
import { JsonError, type JsonErrorKind } from './types.ts'

interface TrapFixture {
  readonly texts: readonly TextCase[]
  readonly duplicates: readonly { readonly text: string; readonly refused: boolean }[]
  readonly nesting: readonly NestingCase[]
}

interface TextCase {
  /** The class of the fault, as the reliability requirements number it. */
  readonly id: string
  readonly name: string
  readonly text?: string
  readonly base64?: string
  /** The same under every rule, or each rule's own. */
  readonly outcome?: Outcome
  readonly outcomes?: Readonly<Record<NumberRule, Outcome>>
}

type Outcome = JsonErrorKind | { readonly canonical: string }

interface NestingCase {
  readonly open: string
  readonly close: string
  readonly times: number
  /** Null for no limit. */
  readonly maxDepth: number | null
  readonly accepted: boolean
}

const file = new URL('../../test/fixtures/json-traps.json', import.meta.url)
// The cast is sound as long as the tests below pass.
const fixture = JSON.parse(readFileSync(file, 'utf8')) as TrapFixture

/** The canonical JSON of what is read, or the kind of error. */
function outcomeOf(input: string | Uint8Array, integers: NumberRule): string {
  try {
    const value = parseStrictJson(input, { integers })
    return canonicalJson(value, integers === 'any' ? 'lax' : 'strict')
  } catch (error) {
    if (error instanceof JsonError) return error.kind
    throw error
  }
}

describe('JSON that comes from outside', () => {
  for (const { id, name, text, base64, outcome, outcomes } of fixture.texts) {
    it(`is read as its number rule says (${id}): ${name}`, () => {
      const bytes = base64 === undefined ? Buffer.from(text ?? assert.fail()) : Buffer.from(base64, 'base64')
      for (const rule of ['strict', 'any'] as const) {
        const wanted = outcome ?? outcomes?.[rule] ?? assert.fail()
        const expected = typeof wanted === 'string' ? wanted : wanted.canonical
        assert.equal(outcomeOf(bytes, rule), expected, rule)
        if (text !== undefined) assert.equal(outcomeOf(text, rule), expected, `${rule}, as a string`)
      }
    })
  }

  it('is refused for equal keys, however they are written, where that is asked for', () => {
    for (const { text, refused } of fixture.duplicates) {
      const parse = (): unknown => parseStrictJson(text, { integers: 'strict', rejectDuplicateKeys: true })
      if (refused) assert.throws(parse, (e) => e instanceof JsonError && e.kind === 'bad-json', text)
      else assert.doesNotThrow(parse, text)
    }
  })

  it('is refused as too deep above the limit, before anything of it is built', () => {
    for (const { open, close, times, maxDepth, accepted } of fixture.nesting) {
      const middle = open.endsWith(':') ? '0' : ''
      const text = open.repeat(times) + middle + close.repeat(times)
      const parse = (): unknown =>
        parseStrictJson(text, { integers: 'strict', maxDepth: maxDepth ?? Number.POSITIVE_INFINITY })
      const where = `${times} times ${open}`
      if (accepted) assert.doesNotThrow(parse, where)
      else assert.throws(parse, (e) => e instanceof JsonError && e.kind === 'too-deep', where)
    }
  })
})
