// Canonical JSON: the one text of a value that hashes and signatures are made over.
//
// The writer recurses for ordinary values and hands subtrees below a fixed depth to one that keeps its own
// stack, because a remote event of 64 KiB can be nested 30,000 deep and must still get its right event id.

import { rawNumbersOf } from './raw-numbers.ts'
import { JsonError, type JsonArray, type JsonObject, type JsonValue } from './types.ts'

/** Which numbers may be written: `strict` as canonical JSON demands, `lax` any finite number, for room versions 1 to 5. */
export type CanonicalNumbers = 'strict' | 'lax'

/** Below this depth the iterative writer takes over; the recursive one uses about 150 bytes of stack a level. */
const recursionLimit = 200

// Short strings of printable ASCII without quote and backslash need no escaping.
const plainText = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/
const surrogate = /[\ud800-\udfff]/
const plainTextMaxLength = 64

/**
 * The canonical JSON text of a value: shortest form, keys sorted by Unicode code point. Appendices v1.19, "Canonical JSON".
 * Throws JsonError `bad-json` for a number that is not an integer within ±(2^53 − 1) or is negative zero, and for what is
 * not JSON; `invalid-utf8` for a lone surrogate. With `lax`, a number is written as it came if it was parsed with
 * `keepNumbers`; otherwise it must be finite, integers are written with all digits and others as JavaScript prints them.
 */
export function canonicalJson(value: JsonValue, numbers: CanonicalNumbers = 'strict'): string {
  return write(value, numbers, 0)
}

/** The canonical JSON text of a string, quotes included. Throws JsonError `invalid-utf8` for a lone surrogate. */
export function canonicalString(text: string): string {
  if (text.length <= plainTextMaxLength && plainText.test(text)) return `"${text}"`
  if (!text.isWellFormed()) throw new JsonError('invalid-utf8', 'A string contains a lone surrogate.')
  return JSON.stringify(text)
}

/** Orders strings by Unicode code point, which differs from JavaScript's order when surrogate pairs are involved. */
export function compareCodePoints(a: string, b: string): number {
  const end = Math.min(a.length, b.length)
  for (let i = 0; i < end; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    // Up to the first difference both are equal, so a surrogate here starts or continues a pair above U+FFFF.
    if (x !== y) return codePointRank(x) - codePointRank(y)
  }
  return a.length - b.length
}

/** Moves surrogates, which stand for code points above U+FFFF, behind the other units. */
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

function write(value: JsonValue, numbers: CanonicalNumbers, depth: number): string {
  if (typeof value === 'string') return canonicalString(value)
  if (typeof value !== 'object' || value === null) return writeScalar(value, numbers)
  if (depth >= recursionLimit) return writeDeep(value, numbers)
  return isArray(value) ? writeArray(value, numbers, depth + 1) : writeObject(value, numbers, depth + 1)
}

function writeArray(array: JsonArray, numbers: CanonicalNumbers, depth: number): string {
  const raw = numbers === 'lax' ? rawNumbersOf(array) : undefined
  let text = '['
  // Plain indexing reads holes as undefined, which writeScalar refuses.
  for (let i = 0; i < array.length; i++) {
    if (i > 0) text += ','
    const value = array[i] as JsonValue
    const asItCame = raw === undefined ? undefined : rawNumber(raw.get(String(i)), value)
    text += asItCame ?? write(value, numbers, depth)
  }
  return text + ']'
}

function writeObject(object: JsonObject, numbers: CanonicalNumbers, depth: number): string {
  const raw = numbers === 'lax' ? rawNumbersOf(object) : undefined
  let text = '{'
  for (const key of sortedKeys(object)) {
    if (text.length > 1) text += ','
    const value = object[key] as JsonValue
    const asItCame = raw === undefined ? undefined : rawNumber(raw.get(key), value)
    text += canonicalString(key) + ':' + (asItCame ?? write(value, numbers, depth))
  }
  return text + '}'
}

/**
 * The text that a number came as, if it is still the text of this value: a copy may have another number under the key.
 * "The following canonical JSON should be produced" says that `-0` is written `0`.
 */
function rawNumber(raw: string | undefined, value: JsonValue): string | undefined {
  if (raw === undefined || typeof value !== 'number') return undefined
  if (Number(raw) !== value) return undefined
  return raw === '-0' ? '0' : raw
}

function writeScalar(value: JsonValue, numbers: CanonicalNumbers): string {
  if (value === null) return 'null'
  if (value === true) return 'true'
  if (value === false) return 'false'
  if (typeof value !== 'number')
    throw new JsonError('bad-json', `A value of type ${typeof value} is not JSON.`)
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return String(value)
  if (numbers === 'strict' || !Number.isFinite(value)) {
    throw new JsonError('bad-json', 'Numbers must be integers between -(2^53)+1 and (2^53)-1.')
  }
  // Large integers keep all their digits, as in the servers that made these events.
  return Number.isInteger(value) ? String(BigInt(value)) : String(value)
}

function isArray(value: JsonArray | JsonObject): value is JsonArray {
  return Array.isArray(value)
}

/** The keys of an object by code point. */
function sortedKeys(object: JsonObject): readonly string[] {
  const keys = Object.keys(object)
  let sorted = true
  for (let i = 1; i < keys.length; i++) {
    if ((keys[i - 1] as string) > (keys[i] as string)) sorted = false
  }
  if (!sorted) sortUnits(keys)
  // Only surrogates are out of place in the order of UTF-16 units.
  if (keys.length > 1 && keys.some(hasSurrogate)) keys.sort(compareCodePoints)
  return keys
}

function hasSurrogate(key: string): boolean {
  return surrogate.test(key)
}

/** Sorts by UTF-16 unit in place; by insertion while short, which spares the copy that `sort` makes. */
function sortUnits(keys: string[]): void {
  if (keys.length > 12) {
    keys.sort()
    return
  }
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i] as string
    let j = i - 1
    for (; j >= 0 && (keys[j] as string) > key; j--) keys[j + 1] = keys[j] as string
    keys[j + 1] = key
  }
}

/** A container that is being written: its members, how many are done, and how it ends. */
interface Frame {
  readonly keys: readonly string[] | undefined
  readonly values: JsonArray | JsonObject
  readonly length: number
  next: number
}

function openFrame(values: JsonArray | JsonObject): Frame {
  if (isArray(values)) return { keys: undefined, values, length: values.length, next: 0 }
  const keys = sortedKeys(values)
  return { keys, values, length: keys.length, next: 0 }
}

/** The iterative writer: the same text as `write`, with the open containers on a stack of its own. */
function writeDeep(root: JsonArray | JsonObject, numbers: CanonicalNumbers): string {
  const parts: string[] = [isArray(root) ? '[' : '{']
  const stack: Frame[] = [openFrame(root)]
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    if (frame.next === frame.length) {
      parts.push(frame.keys === undefined ? ']' : '}')
      stack.pop()
      continue
    }
    const value = startMember(frame, parts)
    if (typeof value === 'object' && value !== null) {
      parts.push(isArray(value) ? '[' : '{')
      stack.push(openFrame(value))
    } else {
      parts.push(typeof value === 'string' ? canonicalString(value) : writeMember(frame, value, numbers))
    }
  }
  return parts.join('')
}

/** The text of the member that `startMember` has just returned. */
function writeMember(frame: Frame, value: JsonValue, numbers: CanonicalNumbers): string {
  const index = frame.next - 1
  const raw = numbers === 'lax' ? rawNumbersOf(frame.values) : undefined
  return rawNumber(raw?.get(frame.keys?.[index] ?? String(index)), value) ?? writeScalar(value, numbers)
}

/** Writes the comma and key of the frame's next member and returns its value. */
function startMember(frame: Frame, parts: string[]): JsonValue {
  const index = frame.next++
  if (index > 0) parts.push(',')
  // The casts are sound: the index is below the length, and the frame's shape follows from `keys`.
  if (frame.keys === undefined) return (frame.values as JsonArray)[index] as JsonValue
  const key = frame.keys[index] as string
  parts.push(canonicalString(key), ':')
  return (frame.values as JsonObject)[key] as JsonValue
}
