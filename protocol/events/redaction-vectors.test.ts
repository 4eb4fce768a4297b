/** What redaction leaves, by room version: room versions v1.19, "Redactions". */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import type { JsonObject } from '../json/types.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { roomVersions } from '../versions/table.ts'
import type { Pdu } from './pdu.ts'
import { redact, redactContent } from './redact.ts'

interface ForVersions {
  readonly versions: readonly number[]
}

interface RedactionFixture {
  readonly event: JsonObject
  readonly keeps: readonly (ForVersions & { readonly keys: readonly string[] })[]
  readonly contents: readonly {
    readonly name: string
    readonly type: string
    readonly content: JsonObject
    readonly redacted: readonly (ForVersions & { readonly content: JsonObject })[]
  }[]
}

const file = new URL('../../test/fixtures/redaction.json', import.meta.url)
// The cast is sound as long as the tests below pass.
const fixture = JSON.parse(readFileSync(file, 'utf8')) as RedactionFixture
const versions = [...roomVersions.values()]

/** The one row that is for this version. */
function rowFor<T extends ForVersions>(rows: readonly T[], rules: RoomVersionRules): T {
  const found = rows.filter((row) => row.versions.includes(Number(rules.id)))
  assert.equal(found.length, 1, `rows for version ${rules.id}`)
  return found[0] ?? assert.fail()
}

/** The fixture's event with every key, as an event of this type and content. */
function eventOf(type: string, content: JsonObject): Pdu {
  // The cast is sound: the event has every field of a Pdu.
  return { ...fixture.event, type, content } as unknown as Pdu
}

describe('redaction', () => {
  it('keeps those keys of an event that its version lists', () => {
    for (const rules of versions) {
      const { keys } = rowFor(fixture.keeps, rules)
      const expected = Object.entries(fixture.event).filter(([key]) => keys.includes(key))
      const redacted = redact(rules, eventOf('org.example.type', {}))
      assert.deepEqual(redacted, Object.fromEntries(expected), `version ${rules.id}`)
      assert.equal(Object.getPrototypeOf(redacted), Object.prototype)
    }
  })

  for (const { name, type, content, redacted } of fixture.contents) {
    it(`keeps of the content of ${type} what its version lists: ${name}`, () => {
      for (const rules of versions) {
        const expected = rowFor(redacted, rules).content
        const before = JSON.stringify(content)
        assert.deepEqual(redactContent(rules, type, content), expected, `version ${rules.id}`)
        assert.deepEqual(redact(rules, eventOf(type, content)).content, expected, `version ${rules.id}`)
        assert.equal(JSON.stringify(content), before, 'the content that was given is as it was')
      }
    })
  }

  it('is in the fixture for every type of event of which some version keeps something', () => {
    const types = new Set(versions.flatMap((rules) => [...rules.redaction.keepsContent.keys()]))
    const shown = new Set(fixture.contents.map(({ type }) => type))
    assert.deepEqual([...types.difference(shown)], [])
  })
})
