// Parsing of JSON that comes from outside. JSON.parse alone rounds large integers, cannot tell 1.0 from 1, keeps
// the last of two equal keys and accepts lone surrogates, and a decoder with default settings turns invalid UTF-8
// into U+FFFD. So the text is scanned once for what JSON.parse does not report, and then given to JSON.parse, which
// decides on the grammar. Own keys named `__proto__` come out of JSON.parse as data.

import { maxClientDepth } from './limits.ts'
import { isJsonObject, JsonError, type JsonArray, type JsonObject, type JsonValue } from './types.ts'

/**
 * Which numbers are accepted.
 * - `strict`: integers in canonical form within ±(2^53 − 1), as events of room versions 6 and later demand.
 * - `lax`: numbers that denote such an integer however written (`1.0`, `1e3`), but not `-0`; the value is the integer.
 * - `any`: every number that a double can hold, for JSON that is neither hashed nor signed and for room versions 1 to 5.
 */
export type NumberRule = 'strict' | 'lax' | 'any'

/** How strictly to parse. */
export interface ParseOptions {
  readonly integers: NumberRule
  /** How deeply arrays and objects may be nested; 100 if absent, `Infinity` for events of other servers. */
  readonly maxDepth?: number
  /** True to refuse an object with two equal keys; otherwise the last one counts. */
  readonly rejectDuplicateKeys?: boolean
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const quote = 0x22
const comma = 0x2c
const minus = 0x2d
const zero = 0x30
const nine = 0x39
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const letterU = 0x75
const openBrace = 0x7b
const closeBrace = 0x7d

const numberToken = /[-+.eE0-9]+/y
const canonicalInteger = /^(?:0|-?[1-9][0-9]*)$/
const highEscape = /\\u[dD][89abAB][0-9a-fA-F]{2}/y
const lowEscape = /\\u[dD][c-fC-F][0-9a-fA-F]{2}/y

/**
 * The value of a JSON text. Throws JsonError: `invalid-utf8` for bytes that are not UTF-8 and for lone surrogates,
 * `not-json` for what is not JSON or begins with a byte order mark, `too-deep` beyond `maxDepth`, `bad-json` for numbers
 * that the rule refuses and for duplicate keys.
 */
export function parseStrictJson(input: Uint8Array | string, options: ParseOptions): JsonValue {
  const text = typeof input === 'string' ? checkedText(input) : decodeUtf8(input)
  const scan = scanJson(text, options)
  const value = parseGrammar(text)
  if (scan.problem !== undefined) throw scan.problem
  if (options.rejectDuplicateKeys === true && countKeys(value) !== scan.colons) {
    throw new JsonError('bad-json', 'An object contains the same key twice.')
  }
  return value
}

/** As parseStrictJson, for a text that must be an object. Throws JsonError `bad-json` for other values. */
export function parseStrictJsonObject(input: Uint8Array | string, options: ParseOptions): JsonObject {
  const value = parseStrictJson(input, options)
  if (!isJsonObject(value)) throw new JsonError('bad-json', 'The JSON value must be an object.')
  return value
}

function checkedText(text: string): string {
  if (!text.isWellFormed()) throw new JsonError('invalid-utf8', 'The text contains a lone surrogate.')
  return text
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new JsonError('invalid-utf8', 'The body is not valid UTF-8.', { cause })
  }
}

function parseGrammar(text: string): JsonValue {
  try {
    // The cast is sound: without a reviver JSON.parse returns nothing but JSON values.
    return JSON.parse(text) as JsonValue
  } catch (cause) {
    throw new JsonError('not-json', 'The body is not valid JSON.', { cause })
  }
}

/** What one pass over a text found: the first problem that is not one of grammar, and the number of object members. */
interface Scan {
  problem: JsonError | undefined
  colons: number
}

/** Assumes that the text is JSON; of another text it may report anything, since JSON.parse refuses that anyway. */
function scanJson(text: string, options: ParseOptions): Scan {
  const scan: Scan = { problem: undefined, colons: 0 }
  const maxDepth = options.maxDepth ?? maxClientDepth
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === quote) i = skipString(text, i, scan)
    else if (unit === comma) continue
    else if (unit === colon) scan.colons++
    else if (unit === openBrace || unit === openBracket) {
      // The depth is refused before the text is parsed, so that a hostile one costs no more than this pass.
      if (++depth > maxDepth)
        throw new JsonError('too-deep', `The JSON is nested more than ${maxDepth} levels deep.`)
    } else if (unit === closeBrace || unit === closeBracket) depth--
    else if (unit === minus || (unit >= zero && unit <= nine))
      i = checkNumber(text, i, scan, options.integers)
  }
  return scan
}

/** Returns the index of the quote that ends the string which starts at `start`, or the end of the text. */
function skipString(text: string, start: number, scan: Scan): number {
  let i = start + 1
  for (; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === quote) return i
    if (unit === backslash) i = skipEscape(text, i, scan)
  }
  return i
}

/** Returns the index of the last unit of the escape at `start`; a surrogate pair of two escapes counts as one. */
function skipEscape(text: string, start: number, scan: Scan): number {
  if (text.charCodeAt(start + 1) !== letterU) return start + 1
  if (matchesAt(highEscape, text, start) && matchesAt(lowEscape, text, start + 6)) return start + 11
  if (matchesAt(highEscape, text, start) || matchesAt(lowEscape, text, start)) {
    scan.problem ??= new JsonError('invalid-utf8', 'A string contains an escaped lone surrogate.')
  }
  return start + 5
}

function matchesAt(pattern: RegExp, text: string, index: number): boolean {
  pattern.lastIndex = index
  return pattern.test(text)
}

/** Checks the number that starts at `start` and returns the index of its last unit. */
function checkNumber(text: string, start: number, scan: Scan, rule: NumberRule): number {
  const end = endOfDigits(text, start)
  // Up to 15 digits without sign, point and exponent are fine under every rule; grammar is left to JSON.parse.
  if (end - start < 15 && text.charCodeAt(start) !== minus && !continuesNumber(text, end)) return end - 1
  numberToken.lastIndex = start
  const token = numberToken.exec(text)?.[0] ?? text.slice(start, start + 1)
  const value = Number(token)
  if (!isAllowedNumber(token, value, rule)) {
    scan.problem ??= new JsonError('bad-json', 'Numbers must be integers between -(2^53)+1 and (2^53)-1.')
  }
  return start + token.length - 1
}

function isAllowedNumber(token: string, value: number, rule: NumberRule): boolean {
  if (rule === 'any') return Number.isFinite(value)
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) return false
  return rule === 'lax' || canonicalInteger.test(token)
}

function endOfDigits(text: string, start: number): number {
  let i = start + 1
  for (let unit = text.charCodeAt(i); unit >= zero && unit <= nine; unit = text.charCodeAt(i)) i++
  return i
}

function continuesNumber(text: string, index: number): boolean {
  const next = text[index]
  return next === '.' || next === 'e' || next === 'E'
}

/** The number of members of all objects in a value, without recursion. */
function countKeys(root: JsonValue): number {
  let count = 0
  const pending: JsonValue[] = [root]
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (typeof value !== 'object' || value === null) continue
    const members: JsonArray = isJsonObject(value) ? Object.values(value) : value
    if (isJsonObject(value)) count += members.length
    for (const member of members) pending.push(member)
  }
  return count
}
