// Numbers as they were written. A double does not keep the digits of 9223372036854775807 nor the form of 1.0, and the servers that
// made the events of room versions 1 to 5 hashed what they wrote. So an object or array that was parsed with
// `keepNumbers` carries the texts of such numbers under a symbol. Spread and rest copy it as they copy keys, and everything
// that looks at keys alone does not see it; canonical JSON in lax mode writes the text where there is one.

import { hasEscapedKey, originalKey, restoreKeys, withPlainKeys } from './parse.ts'
import type { JsonArray, JsonObject, JsonValue } from './types.ts'

const rawNumbers = Symbol('numbers as written')

type RawNumbers = ReadonlyMap<string, string>

const canonicalInteger = /^(?:0|-?[1-9][0-9]*)$/

/** True for a number whose text is its canonical form: an integer within ±(2^53 − 1) without point, exponent and `-0`. */
export function isCanonicalNumber(text: string, value: number): boolean {
  return Number.isSafeInteger(value) && canonicalInteger.test(text)
}

/** How the members of this object or array were written that are numbers and not in canonical form; undefined for none. */
export function rawNumbersOf(holder: JsonArray | JsonObject): RawNumbers | undefined {
  // The cast is sound: only `parseKeepingNumbers` puts anything under the symbol.
  return (holder as { [rawNumbers]?: RawNumbers })[rawNumbers]
}

/** Gives a copy the texts of the numbers that it was copied with. Needed where a copy is made key by key. */
export function carryRawNumbers(from: JsonObject, to: object): void {
  const numbers = rawNumbersOf(from)
  if (numbers !== undefined) Object.assign(to, { [rawNumbers]: numbers })
}

/**
 * The value of a JSON text, with the texts of its numbers kept. Slower than plain parsing: for texts in which the scan has found
 * numbers that are not canonical. Throws SyntaxError for what is not JSON, and RangeError for what is nested some thousand levels deep.
 */
export function parseKeepingNumbers(text: string): JsonValue {
  // As parseJson does it.
  const { plain, keys } = hasEscapedKey(text) ? withPlainKeys(text) : { plain: text, keys: undefined }
  const { value, found } = parseWithNumbers(plain)
  for (const [holder, numbers] of found) Object.assign(holder, { [rawNumbers]: numbers })
  if (keys === undefined) return value
  return restoreKeys(value, keys, (holder, copy) => {
    const numbers = found.get(holder)
    if (numbers === undefined) return
    const renamed = new Map([...numbers].map(([key, number]) => [originalKey(key, keys), number]))
    Object.assign(copy, { [rawNumbers]: renamed })
  })
}

/** The value, with the texts of its numbers by the object or array that holds them. */
function parseWithNumbers(text: string): {
  readonly value: JsonValue
  readonly found: ReadonlyMap<object, RawNumbers>
} {
  const found = new Map<object, Map<string, string>>()
  const remember = (holder: object, key: string, value: unknown, source: string | undefined): void => {
    if (typeof value !== 'number' || source === undefined || isCanonicalNumber(source, value)) return
    found.getOrInsertComputed(holder, () => new Map()).set(key, source)
  }
  const value: unknown = JSON.parse(
    text,
    function (this: object, key: string, member: unknown, ...rest: unknown[]) {
      // The third argument holds the source text of a primitive value.
      const [context] = rest as [{ readonly source?: string }?]
      remember(this, key, member, context?.source)
      return member
    },
  )
  // The cast is sound: the reviver changes no value.
  return { value: value as JsonValue, found }
}
