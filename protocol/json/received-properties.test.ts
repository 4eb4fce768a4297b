/** What holds for the parts of any received body: each is seen as it would be seen alone. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { canonicalObject, canonicalValue } from './random-json-fixture.ts'
import { parseReceivedBody, parseReceivedJson, receivedElements } from './received.ts'

const space = fc.constantFrom('', ' ', '\n\t', '\r\n')

/** A JSON text that stands alone: clean, spread over lines, or with a flaw of its own. */
const elementText = fc.oneof(
  fc.tuple(canonicalValue, fc.nat(3)).map(([value, indent]) => JSON.stringify(value, undefined, indent)),
  fc.constantFrom(
    '1.0',
    '-0',
    '-1',
    '1e400',
    '"]"',
    '"}\\""',
    '"\\\\"',
    '"\\ud800"',
    '{"a":1,"a":2}',
    '[]',
    '{}',
    'null',
  ),
  fc.constantFrom(
    '{"pdus":[1]}',
    String.raw`{"\u0061":[1.5],"a":{"b":",]"}}`,
    '[[[[[]]]]]',
    '{"__proto__":1,"__proto__":2}',
  ),
)

/** Other members of the body, beside which the list stands. */
const otherMember = fc.oneof(
  canonicalObject.map((value) => `"other":${JSON.stringify(value)}`),
  fc.constantFrom('"x":"\\"pdus\\":[0]"', '"edus":[1.0]', '"y":[[]]', String.raw`"\u0070dus":["hidden"]`),
)

describe('the parts of a received body', () => {
  it('are what each of them is alone: value, flaws, depth and text', () => {
    const lists = fc.array(fc.tuple(space, elementText, space), { maxLength: 6 })
    fc.assert(
      fc.property(fc.array(otherMember, { maxLength: 3 }), lists, space, (others, elements, gap) => {
        const list = elements.map(([before, text, after]) => before + text + after).join(',')
        // Of equal keys the last one counts, so the list stands at the end.
        const text = `${gap}{${[...others, `"pdus"${gap}:${gap}[${list}${gap}]`].join(`${gap},${gap}`)}${gap}}`
        const parts = receivedElements(parseReceivedBody(Buffer.from(text)), 'pdus') ?? assert.fail()
        assert.deepEqual(
          parts.map((part) => part.text),
          elements.map(([, element]) => element),
        )
        assert.deepEqual(
          parts,
          elements.map(([, element]) => parseReceivedJson(element)),
        )
      }),
      { numRuns: 400 },
    )
  })
})
