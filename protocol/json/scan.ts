// One pass over a JSON text for what JSON.parse does not report: how numbers are written, lone surrogates in escapes, how many members
// the objects have, how deep they are nested.

import { isCanonicalNumber } from './raw-numbers.ts'
import { isJsonObject, JsonError, type JsonArray, type JsonValue } from './types.ts'

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
const highEscape = /\\u[dD][89abAB][0-9a-fA-F]{2}/y
const lowEscape = /\\u[dD][c-fC-F][0-9a-fA-F]{2}/y

/**
 * Which numbers are accepted.
 * - `strict`: integers in canonical form within ±(2^53 − 1), as events of room versions 6 and later demand.
 * - `any`: every number that a double can hold, for JSON that is neither hashed nor signed and for room versions 1 to 5.
 */
export type NumberRule = 'strict' | 'any'

/** What one pass over a text found that is not a matter of grammar. */
export interface Scan {
  /** A number that the rule refuses. */
  badNumber: boolean
  /** A number that is not in canonical form. */
  oddNumber: boolean
  loneSurrogate: boolean
  /** The number of members of all objects. */
  colons: number
  /** The greatest depth of arrays and objects. */
  depth: number
}

/**
 * Assumes that the text is JSON; of another text it may report anything, since JSON.parse refuses that anyway.
 * Throws JsonError `too-deep` for what is nested deeper than `maxDepth`.
 */
export function scanJson(text: string, rule: NumberRule, maxDepth: number): Scan {
  const scan: Scan = { badNumber: false, oddNumber: false, loneSurrogate: false, colons: 0, depth: 0 }
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === quote) i = skipString(text, i, scan)
    else if (unit === comma) continue
    else if (unit === colon) scan.colons++
    else if (unit === openBrace || unit === openBracket) {
      if (++depth > scan.depth) scan.depth = depth
      // The depth is refused before the text is parsed, so that a hostile one costs no more than this pass.
      if (depth > maxDepth)
        throw new JsonError('too-deep', `The JSON is nested more than ${maxDepth} levels deep.`)
    } else if (unit === closeBrace || unit === closeBracket) depth--
    else if (unit === minus || (unit >= zero && unit <= nine)) i = checkNumber(text, i, scan, rule)
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
    scan.loneSurrogate = true
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
  if (!isCanonicalNumber(token, value)) {
    scan.oddNumber = true
    if (rule === 'strict' || !Number.isFinite(value)) scan.badNumber = true
  }
  return start + token.length - 1
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

/** The number of members of all objects in a value, without recursion. It is less than `colons` if keys are equal. */
export function countKeys(root: JsonValue): number {
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
