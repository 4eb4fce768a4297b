// Cutting a JSON text into the texts of its parts, for what has to be known of each part by itself: whether one event of a
// transaction has two equal keys must not be laid to the charge of its neighbour.

const comma = 0x2c
const colon = 0x3a
const backslash = 0x5c
const quote = 0x22
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/**
 * The texts of the elements of the array that is the value of `key` in an object, in their order; of two equal keys the last one
 * counts, as with JSON.parse. The text must be that of an object, and JSON. Empty if the value is no array or not there.
 */
export function elementTexts(text: string, key: string): readonly string[] {
  const member = memberText(text, key)
  if (member === undefined || member.charCodeAt(0) !== openBracket) return []
  const elements: string[] = []
  for (let start = skipSpace(member, 1); member.charCodeAt(start) !== closeBracket;) {
    const end = endOfValue(member, start)
    if (end >= member.length) break
    elements.push(member.slice(start, end))
    start = afterSeparator(member, end, comma)
  }
  return elements
}

/** The text of the value of a member of an object, or undefined. */
function memberText(text: string, key: string): string | undefined {
  let found: string | undefined
  let at = skipSpace(text, skipSpace(text, 0) + 1)
  while (text.charCodeAt(at) === quote) {
    const endOfKey = endOfString(text, at)
    const start = afterSeparator(text, endOfKey, colon)
    const end = endOfValue(text, start)
    // A key can be written with escapes.
    if (JSON.parse(text.slice(at, endOfKey)) === key) found = text.slice(start, end)
    at = afterSeparator(text, end, comma)
  }
  return found
}

/** The index after the value that begins at `start`. */
function endOfValue(text: string, start: number): number {
  const first = text.charCodeAt(start)
  if (first === quote) return endOfString(text, start)
  let depth = 0
  for (let i = start; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === quote) i = endOfString(text, i) - 1
    else if (unit === openBrace || unit === openBracket) depth++
    else if (unit === closeBrace || unit === closeBracket) {
      if (depth === 0) return i
      if (--depth === 0) return i + 1
    } else if (depth === 0 && (unit === comma || isSpace(unit))) return i
  }
  return text.length
}

/** The index after the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === quote) return i + 1
    if (unit === backslash) i++
  }
  return text.length
}

/** The index of what follows the separator, if there is one after this place. */
function afterSeparator(text: string, index: number, separator: number): number {
  const at = skipSpace(text, index)
  return text.charCodeAt(at) === separator ? skipSpace(text, at + 1) : at
}

function skipSpace(text: string, index: number): number {
  let at = index
  while (isSpace(text.charCodeAt(at))) at++
  return at
}

function isSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09
}
