/** Events of other servers that are hard to read, by room version: accepted, or what is at fault. Their hashes and ids. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../json/limits.ts'
import { parseReceivedJson } from '../json/received.ts'
import { parseStrictJsonObject } from '../json/strict-parse.ts'
import { JsonError, type JsonObject } from '../json/types.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { rulesFor } from '../versions/table.ts'
import { contentHash, eventIdOf } from './hash.ts'
import { checkReceivedFormat, type FormatRule, type Pdu } from './pdu.ts'

/** Members of an event as JSON text; null takes one away. */
type Members = Readonly<Record<string, string | null>>

interface FormatFixture {
  readonly event: Members
  readonly events: readonly EventCase[]
  readonly hashes: readonly HashCase[]
}

interface EventCase {
  readonly id: string
  readonly name: string
  readonly members: Members
  /** A member whose text is put together from repetitions. */
  readonly repeat?: Repeat & { readonly member: string }
  /** A member that is a list of so many different event ids in the form of the version. */
  readonly references?: { readonly member: string; readonly count: number }
  /** The bytes of canonical JSON that the content is to fill. */
  readonly size?: number
  readonly outcomes: ByVersion<'accepted' | 'not-json' | FormatRule>
}

/** Values by room version, under the first and the last for which they hold: `6-12`. */
type ByVersion<T> = Readonly<Record<string, T>>

interface Repeat {
  readonly before: string
  readonly text: string
  readonly middle?: string
  readonly close?: string
  readonly times: number
  readonly after: string
}

interface HashCase {
  readonly name: string
  readonly content?: string
  readonly nested?: {
    readonly before: string
    readonly open: string
    readonly middle?: string
    readonly close: string
    readonly times: number
    readonly after: string
  }
  readonly contentHash: string
  readonly eventIds: ByVersion<string>
}

const file = new URL('../../test/fixtures/json-traps.json', import.meta.url)
// The cast is sound as long as the tests below pass.
const fixture = JSON.parse(readFileSync(file, 'utf8')) as FormatFixture

/** Every room version of these with its value. */
function* eachVersion<T>(values: ByVersion<T>): Generator<[RoomVersionRules, T]> {
  for (const [range, value] of Object.entries(values)) {
    const [first, last] = range.split('-').map(Number)
    assert.ok(first !== undefined && last !== undefined)
    for (let version = first; version <= last; version++) {
      yield [rulesFor(String(version)) ?? assert.fail(), value]
    }
  }
}

function textOf(members: Members): string {
  const parts = Object.entries(members).map(([key, text]) =>
    text === null ? [] : [`${JSON.stringify(key)}:${text}`],
  )
  return `{${parts.flat().join(',')}}`
}

function repeated({ before, text, middle = '', close = '', times, after }: Repeat): string {
  return before + text.repeat(times) + middle + close.repeat(times) + after
}

function referencesOf(rules: RoomVersionRules, count: number): string {
  const ids = Array.from({ length: count }, (_, at) => {
    const name = String(at).padStart(43, 'x')
    return rules.eventIdFormat === 'v1' ? [`$${name}:b.org`, { sha256: 'x' }] : `$${name}`
  })
  return JSON.stringify(ids)
}

function eventText(rules: RoomVersionRules, one: EventCase): string {
  const { repeat, references, size } = one
  const members: Record<string, string | null> = {
    ...fixture.event,
    ...one.members,
    ...(repeat === undefined ? {} : { [repeat.member]: repeated(repeat) }),
    ...(references === undefined ? {} : { [references.member]: referencesOf(rules, references.count) }),
  }
  if (size === undefined) return textOf(members)
  // The members have no white space and are in no need of escapes, so that their length is that of canonical JSON.
  const empty = utf8Bytes(textOf({ ...members, content: '{"body":""}' }))
  return textOf({ ...members, content: `{"body":"${'x'.repeat(size - empty)}"}` })
}

/** What the first check on receipt says of a text. */
function outcomeOf(rules: RoomVersionRules, text: string): string {
  try {
    const verdict = checkReceivedFormat(rules, parseReceivedJson(text))
    return verdict.ok ? 'accepted' : verdict.rule
  } catch (error) {
    if (error instanceof JsonError) return error.kind
    throw error
  }
}

describe('an event of another server', () => {
  for (const one of fixture.events) {
    it(`is accepted or refused as its version says (${one.id}): ${one.name}`, () => {
      const checked = [...eachVersion(one.outcomes)].map(([rules, outcome]) => {
        assert.equal(outcomeOf(rules, eventText(rules, one)), outcome, `version ${rules.id}`)
        return rules.id
      })
      assert.equal(new Set(checked).size, 12)
    })
  }
})

function messageOf(rules: RoomVersionRules, { content, nested }: HashCase): JsonObject {
  const middle = nested?.middle ?? ''
  const built =
    nested === undefined
      ? content
      : `${nested.before}${nested.open.repeat(nested.times)}${middle}${nested.close.repeat(nested.times)}${nested.after}`
  const text = textOf({
    type: '"m.room.message"',
    content: built ?? assert.fail(),
    sender: '"@alice:a.org"',
    room_id: '"!r:a.org"',
    prev_events: `["$${'p'.repeat(43)}"]`,
    auth_events: `["$${'a'.repeat(43)}"]`,
    origin_server_ts: '1764000000000',
    depth: '7',
    unsigned: '{"age":5}',
    signatures: '{}',
  })
  const numbers = rules.strictCanonicalJson
    ? ({ integers: 'strict' } as const)
    : ({ integers: 'any', keepNumbers: true } as const)
  return parseStrictJsonObject(text, { ...numbers, maxDepth: Number.POSITIVE_INFINITY })
}

describe('the hash and the id of an event', () => {
  for (const one of fixture.hashes) {
    it(`are those that another program computes: ${one.name}`, () => {
      for (const [rules, id] of eachVersion(one.eventIds)) {
        // The cast is sound: the content hash is taken before there is one in the event.
        const pdu = messageOf(rules, one) as unknown as Pdu
        const sha256 = contentHash(rules, pdu)
        assert.equal(sha256, one.contentHash, `version ${rules.id}`)
        assert.equal(eventIdOf(rules, { ...pdu, hashes: { sha256 } }), id, `version ${rules.id}`)
      }
    })
  }
})
