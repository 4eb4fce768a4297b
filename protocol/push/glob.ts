/**
 * Glob patterns in time linear in the text. Patterns come from anybody (push rules, server ACLs, display names), and
 * matching by backtracking or by a regular expression can be made to take minutes.
 *
 * A pattern is cut at its stars. Since a star takes anything, the leftmost occurrence of each part after the one before
 * is always good enough, so no part is ever tried again. Short literal parts are found by the engine's own search; long
 * ones and those with `?` by the bit-parallel "shift-and" method, whose cost per character does not depend on the text.
 *
 * Appendices v1.19, "Glob-style matching": `*` matches zero or more characters, `?` exactly one.
 */

/** Tells whether a text matches; case matters, so a caller to whom it does not folds pattern and text alike. */
export type GlobMatcher = (text: string) => boolean

/** How a pattern is to be read and where it has to match. */
export interface GlobOptions {
  /** Match any part of the text that starts and ends at a word boundary, not the whole text. */
  readonly words?: boolean
  /** Which characters of the pattern stand for others: `*` and `?`, or `*` alone as in filters. */
  readonly wildcards?: '*?' | '*'
}

/** Literal parts up to this length are searched for directly: the worst case is this factor and no more. */
const shortLiteral = 16
const bitsPerWord = 31
const anyCharacter = 63 // The code of `?`.

/** The matcher of a pattern; compile it once and use it often. With `words`, the empty pattern matches nothing. */
export function compileGlob(pattern: string, options: GlobOptions = {}): GlobMatcher {
  const words = options.words === true
  if (words && pattern === '') return () => false
  const single = options.wildcards !== '*' && pattern.includes('?')
  const parts = pattern.split(/\*+/)
  if (parts.length === 1 && !single && !words) return (text) => text === pattern
  if (!single && parts.every((part) => part.length <= shortLiteral)) {
    const finders = parts.map(literalFinder)
    return (text) => matchParts(utf16Units(text), finders, words)
  }
  const finders = parts.map((part) => bitFinder(codePoints(part), single))
  return (text) => matchParts(pointUnits(text), finders, words)
}

/**
 * Whether a phrase occurs in a text with a word boundary on both sides: the start or end of the text, or a character
 * other than `[A-Za-z0-9_]` beside it (client-server API v1.19, push rules). Nothing in the phrase is a wildcard.
 */
export function containsPhrase(text: string, phrase: string): boolean {
  if (phrase === '') return false
  const finder = phrase.length <= shortLiteral ? literalFinder(phrase) : bitFinder(codePoints(phrase), false)
  return matchParts(phrase.length <= shortLiteral ? utf16Units(text) : pointUnits(text), [finder], true)
}

/** A text by units: UTF-16 units for literal parts, code points where `?` has to take a whole character. */
interface Units {
  readonly text: string
  readonly length: number
  at(index: number): number
}

function utf16Units(text: string): Units {
  return { text, length: text.length, at: (index) => text.charCodeAt(index) }
}

function pointUnits(text: string): Units {
  const points = codePoints(text)
  return { text, length: points.length, at: (index) => points[index] ?? 0 }
}

interface Edges {
  /** Where the occurrence may begin: from here on. */
  readonly from: number
  /** It must begin at `from`. */
  readonly anchored: boolean
  /** It must end where the text ends. */
  readonly toEnd: boolean
  readonly wordBefore: boolean
  readonly wordAfter: boolean
}

/** The end of the leftmost occurrence that satisfies the edges, or -1. */
type Finder = (units: Units, edges: Edges) => number

function matchParts(units: Units, finders: readonly Finder[], words: boolean): boolean {
  const last = finders.length - 1
  let from = 0
  for (const [index, find] of finders.entries()) {
    from = find(units, {
      from,
      anchored: index === 0 && !words,
      toEnd: index === last && !words,
      wordBefore: index === 0 && words,
      wordAfter: index === last && words,
    })
    if (from < 0) return false
  }
  return true
}

function literalFinder(part: string): Finder {
  return (units, edges) => {
    const { text } = units
    if (edges.anchored && !text.startsWith(part)) return -1
    if (edges.toEnd) {
      const start = text.length - part.length
      const fits = start >= edges.from && (!edges.anchored || start === 0) && text.endsWith(part)
      return fits ? text.length : -1
    }
    if (edges.anchored) return part.length
    for (let start = edges.from; start <= text.length; start++) {
      if (edges.wordBefore) start = nextBoundary(units, start)
      start = text.indexOf(part, start)
      if (start < 0) return -1
      const before = !edges.wordBefore || isBoundary(units, start - 1)
      if (before && (!edges.wordAfter || isBoundary(units, start + part.length))) return start + part.length
    }
    return -1
  }
}

/**
 * Shift-and: bit i says that the part's first i + 1 characters end at the present one. Each character of the text moves
 * all bits one up and keeps those whose character of the part it is.
 */
function bitFinder(part: readonly number[], single: boolean): Finder {
  const wordCount = Math.max(1, Math.ceil(part.length / bitsPerWord))
  const wild = new Int32Array(wordCount)
  const masks = new Map<number, Int32Array>()
  for (const [index, point] of part.entries()) {
    if (single && point === anyCharacter) setBit(wild, index)
    else
      setBit(
        masks.getOrInsertComputed(point, () => new Int32Array(wordCount)),
        index,
      )
  }
  for (const mask of masks.values())
    for (const [word, bits] of wild.entries()) mask[word] = (mask[word] ?? 0) | bits
  const lastWord = Math.max(0, Math.ceil(part.length / bitsPerWord) - 1)
  const lastBit = 1 << ((part.length - 1) % bitsPerWord)
  return (units, edges) => {
    if (part.length === 0) return emptyOccurrence(units, edges)
    const state = new Int32Array(wordCount)
    const start =
      edges.toEnd && !edges.anchored ? Math.max(edges.from, units.length - part.length) : edges.from
    for (let i = start; i < units.length; i++) {
      const mayBegin = edges.anchored ? i === start : !edges.wordBefore || isBoundary(units, i - 1)
      advance(state, masks.get(units.at(i)) ?? wild, mayBegin)
      if (((state[lastWord] ?? 0) & lastBit) === 0) continue
      if (edges.toEnd && i + 1 !== units.length) continue
      if (!edges.wordAfter || isBoundary(units, i + 1)) return i + 1
    }
    return -1
  }
}

function advance(state: Int32Array, mask: Int32Array, mayBegin: boolean): void {
  let carry = mayBegin ? 1 : 0
  for (let word = 0; word < state.length; word++) {
    const bits = state[word] ?? 0
    state[word] = ((bits << 1) | carry) & (mask[word] ?? 0) & 0x7fff_ffff
    carry = (bits >>> (bitsPerWord - 1)) & 1
  }
}

function setBit(words: Int32Array, index: number): void {
  const word = Math.floor(index / bitsPerWord)
  words[word] = (words[word] ?? 0) | (1 << (index % bitsPerWord))
}

function emptyOccurrence(units: Units, edges: Edges): number {
  if (edges.toEnd) return !edges.anchored || units.length === 0 ? units.length : -1
  if (!edges.wordBefore && !edges.wordAfter) return edges.from
  for (let at = edges.from; at <= units.length; at++) {
    const before = !edges.wordBefore || isBoundary(units, at - 1)
    if (before && (!edges.wordAfter || isBoundary(units, at))) return at
  }
  return -1
}

/** The first place from here on before which a word boundary stands; the end of the text at the latest. */
function nextBoundary(units: Units, from: number): number {
  let at = from
  while (at < units.length && !isBoundary(units, at - 1)) at++
  return at
}

function isBoundary(units: Units, index: number): boolean {
  if (index < 0 || index >= units.length) return true
  const code = units.at(index)
  const digit = code >= 48 && code <= 57
  const upper = code >= 65 && code <= 90
  const lower = code >= 97 && code <= 122
  return !digit && !upper && !lower && code !== 95
}

function codePoints(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0) ?? 0)
}
