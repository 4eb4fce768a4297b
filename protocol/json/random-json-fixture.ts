/** JSON values for property tests, with a liking for what implementations trip over. */

import fc from 'fast-check'
import type { JsonObject, JsonValue } from './types.ts'
import { objectFromEntries } from './types.ts'

const hardKeys = [
  '',
  '__proto__',
  'constructor',
  '10',
  '9',
  '01',
  'a',
  'ab',
  '\0',
  '\ue000',
  '\uffff',
  '😀',
  '𐀀',
]
const hardNumbers = [0, 1, -1, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER]

/** Strings without lone surrogates. */
export const unicodeText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: 'binary-ascii', maxLength: 80 }),
  fc.constantFrom(...hardKeys),
)

const anyValue = fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constantFrom(null, true, false, ...hardNumbers),
    fc.maxSafeInteger(),
    unicodeText,
    fc.array(tie('value'), { maxLength: 5 }),
    tie('object'),
  ),
  object: fc
    .array(fc.tuple(fc.oneof(fc.constantFrom(...hardKeys), unicodeText), tie('value')), { maxLength: 16 })
    .map(objectFromEntries),
}))

/** Values that have a canonical form in every room version. */
export const canonicalValue: fc.Arbitrary<JsonValue> = fc.oneof(
  anyValue.value,
  anyValue.object,
  fc.array(anyValue.object, { maxLength: 3 }),
)

/** Objects that have a canonical form in every room version. */
export const canonicalObject: fc.Arbitrary<JsonObject> = anyValue.object
