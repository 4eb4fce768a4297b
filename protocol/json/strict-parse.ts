// Parsing of JSON that comes from outside. JSON.parse alone rounds large integers, cannot tell 1.0 from 1, keeps
// the last of two equal keys and accepts lone surrogates, and a decoder with default settings turns invalid UTF-8
// into U+FFFD. So the text is scanned once for what JSON.parse does not report, and then given to JSON.parse, which
// decides on the grammar. Own keys named `__proto__` come out of JSON.parse as data.

import { maxClientDepth } from './limits.ts'
import { parseJson } from './parse.ts'
import { parseKeepingNumbers } from './raw-numbers.ts'
import { countKeys, scanJson, type NumberRule } from './scan.ts'
import { isJsonObject, JsonError, type JsonObject, type JsonValue } from './types.ts'

/** How strictly to parse. */
export interface ParseOptions {
  readonly integers: NumberRule
  /** How deeply arrays and objects may be nested; 100 if absent, `Infinity` for events of other servers. */
  readonly maxDepth?: number
  /** True to refuse an object with two equal keys; otherwise the last one counts. */
  readonly rejectDuplicateKeys?: boolean
  /** True to keep how numbers were written, for what is hashed or signed in lax canonical JSON. */
  readonly keepNumbers?: boolean
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The value of a JSON text. Throws JsonError: `invalid-utf8` for bytes that are not UTF-8 and for lone surrogates,
 * `not-json` for what is not JSON or begins with a byte order mark, `too-deep` beyond `maxDepth`, `bad-json` for numbers
 * that the rule refuses and for duplicate keys.
 */
export function parseStrictJson(input: Uint8Array | string, options: ParseOptions): JsonValue {
  const text = typeof input === 'string' ? checkedText(input) : decodeUtf8(input)
  const scan = scanJson(text, options.integers, options.maxDepth ?? maxClientDepth)
  const value = parseGrammar(text)
  if (scan.badNumber)
    throw new JsonError('bad-json', 'Numbers must be integers between -(2^53)+1 and (2^53)-1.')
  if (scan.loneSurrogate) throw new JsonError('invalid-utf8', 'A string contains an escaped lone surrogate.')
  if (options.rejectDuplicateKeys === true && countKeys(value) !== scan.colons) {
    throw new JsonError('bad-json', 'An object contains the same key twice.')
  }
  return options.keepNumbers === true && scan.oddNumber ? keepNumbers(text, value) : value
}

/** As parseStrictJson, for a text that must be an object. Throws JsonError `bad-json` for other values. */
export function parseStrictJsonObject(input: Uint8Array | string, options: ParseOptions): JsonObject {
  const value = parseStrictJson(input, options)
  if (!isJsonObject(value)) throw new JsonError('bad-json', 'The JSON value must be an object.')
  return value
}

/** The bytes as text. Throws JsonError `invalid-utf8`. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new JsonError('invalid-utf8', 'The body is not valid UTF-8.', { cause })
  }
}

function checkedText(text: string): string {
  if (!text.isWellFormed()) throw new JsonError('invalid-utf8', 'The text contains a lone surrogate.')
  return text
}

/** The value of a JSON text, by grammar alone. Throws JsonError `not-json`. */
export function parseGrammar(text: string): JsonValue {
  try {
    return parseJson(text)
  } catch (cause) {
    throw new JsonError('not-json', 'The body is not valid JSON.', { cause })
  }
}

/** The value with the forms of its numbers. What is nested too deeply for that stays as it is and gets another hash than elsewhere. */
export function keepNumbers(text: string, value: JsonValue): JsonValue {
  try {
    return parseKeepingNumbers(text)
  } catch (error) {
    if (error instanceof RangeError) return value
    throw error
  }
}
