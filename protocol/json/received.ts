// JSON that another server sent and that has parts which are judged one by one: a transaction, the state of a room, a page of
// events. The body as a whole has to be UTF-8 and JSON. What is wrong in one of its parts is remembered for that part,
// because which flaws matter depends on the room version, and that is known only when the part has been read.

import { elementTexts } from './slices.ts'
import { countKeys, scanJson } from './scan.ts'
import { decodeUtf8, keepNumbers, parseGrammar } from './strict-parse.ts'
import { field, isJsonObject, JsonError, type JsonObject, type JsonValue } from './types.ts'

/**
 * What is wrong with a text beyond its grammar, as the room versions judge it differently: numbers that are not in canonical form,
 * numbers beyond what a double can hold, an object with two equal keys, a lone surrogate.
 */
export type JsonFlaw = 'duplicate-keys' | 'infinite-numbers' | 'lone-surrogates' | 'numbers'

/** A value with what was seen of its text. Between processes only the text travels; `parseReceivedJson` makes the rest of it again. */
export interface ReceivedJson {
  readonly text: string
  /** The last of equal keys counts. Numbers are kept as they were written where that matters. */
  readonly value: JsonValue
  readonly flaws: ReadonlySet<JsonFlaw>
  /** How deeply arrays and objects are nested in it. */
  readonly depth: number
}

/** A body that has been parsed, with its text. */
export interface ReceivedBody {
  readonly text: string
  readonly body: JsonObject
}

/**
 * The JSON object that another server sent. It may contain anything that JSON can express. Throws JsonError `invalid-utf8` for bytes
 * that are not UTF-8, `not-json` for what is not JSON, `bad-json` for what is no object.
 */
export function parseReceivedBody(bytes: Uint8Array): ReceivedBody {
  const text = decodeUtf8(bytes)
  const value = parseGrammar(text)
  if (!isJsonObject(value)) throw new JsonError('bad-json', 'The JSON value must be an object.')
  const { oddNumber } = scanJson(text, 'any', Number.POSITIVE_INFINITY)
  // The cast is sound: the same text is parsed to the same value.
  return { text, body: oddNumber ? (keepNumbers(text, value) as JsonObject) : value }
}

/** A part that `receivedElements` has cut out, from its text. Throws JsonError `not-json`. */
export function parseReceivedJson(text: string): ReceivedJson {
  return receivedJson(text, parseGrammar(text))
}

/** The body as a whole, for those that are an event themselves. */
export function receivedWhole({ text, body }: ReceivedBody): ReceivedJson {
  return receivedJson(text, body)
}

/** The elements of the array under this key of the body, each for itself. Undefined if the value is no array. */
export function receivedElements(
  { text, body }: ReceivedBody,
  key: string,
): readonly ReceivedJson[] | undefined {
  const values = field(body, key)
  if (!Array.isArray(values)) return undefined
  return elementTexts(text, key).map((element, index) => receivedJson(element, values[index] ?? null))
}

/**
 * What a part of a received text says, judged by nobody yet: which flaws matter depends on the room version, and that on the value.
 * `text` must be JSON and `value` what it stands for, for the whole from which it is cut has been parsed.
 */
export function receivedJson(text: string, value: JsonValue): ReceivedJson {
  const scan = scanJson(text, 'any', Number.POSITIVE_INFINITY)
  const flaws = new Set<JsonFlaw>()
  if (scan.oddNumber) flaws.add('numbers')
  if (scan.badNumber) flaws.add('infinite-numbers')
  if (scan.loneSurrogate) flaws.add('lone-surrogates')
  if (countKeys(value) !== scan.colons) flaws.add('duplicate-keys')
  return { text, value: scan.oddNumber ? keepNumbers(text, value) : value, flaws, depth: scan.depth }
}
