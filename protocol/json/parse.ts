// JSON.parse, and what it takes to rely on it.
//
// V8 keeps in mind which key followed which when objects were parsed, and takes the key that it expects if the text
// looks like it. In V8 14.6 (Node 26.10) it compares the expected key with the raw text also where the text has escapes:
//
//     JSON.parse('{"a":1,"\\\\":2}')          {"a": 1, "\": 2}
//     JSON.parse('{"a":1,"\\u0001":2}')       {"a": 1, "\": 2}, and not {"a": 1, "\u0001": 2}
//
// So anybody could give an object of somebody else another key, and with it an event another hash. Keys without escapes are
// read rightly. So a text in which a key has an escape is parsed with other keys in their places, which are then replaced.

import type { JsonObject, JsonValue } from './types.ts'

const backslash = 0x5c
const quote = 0x22
const colon = 0x3a

/** The value of a JSON text. Throws SyntaxError for what is not JSON. Of equal keys the last one counts. */
export function parseJson(text: string): JsonValue {
  // The cast is sound: without a reviver JSON.parse returns nothing but JSON values.
  const value = JSON.parse(text) as JsonValue
  if (!text.includes('\\') || !hasEscapedKey(text)) return value
  // That the text is JSON has been seen. Replacing its keys could hide that it is not.
  const { plain, keys } = withPlainKeys(text)
  return restoreKeys(JSON.parse(plain) as JsonValue, keys)
}

/** Whether a key in a JSON text is written with an escape. */
export function hasEscapedKey(text: string): boolean {
  for (let start = text.indexOf('"'); start >= 0;) {
    const { end, escaped } = stringAt(text, start)
    if (escaped && isKey(text, end)) return true
    start = text.indexOf('"', end)
  }
  return false
}

/** A JSON text with `k0`, `k1`, … in the places of its keys, and the keys. */
export function withPlainKeys(text: string): { readonly plain: string; readonly keys: readonly string[] } {
  const keys: string[] = []
  let plain = ''
  let written = 0
  for (let start = text.indexOf('"'); start >= 0;) {
    const { end } = stringAt(text, start)
    if (isKey(text, end)) {
      plain += `${text.slice(written, start)}"k${keys.length}"`
      written = end
      // A text that is nothing but a string expects no key.
      keys.push(JSON.parse(text.slice(start, end)) as string)
    }
    start = text.indexOf('"', end)
  }
  return { plain: plain + text.slice(written), keys }
}

/**
 * The value with the keys that `withPlainKeys` has taken out. `onCopy` is told of each object that takes the place of one with plain
 * keys. Without recursion, since nobody has limited the depth.
 */
export function restoreKeys(
  value: JsonValue,
  keys: readonly string[],
  onCopy?: (plain: JsonObject, copy: JsonObject) => void,
): JsonValue {
  const top = [value]
  const pending: object[] = [top]
  for (let holder = pending.pop(); holder !== undefined; holder = pending.pop()) {
    for (const [name, member] of Object.entries(holder) as [string, JsonValue][]) {
      if (typeof member !== 'object' || member === null) continue
      const copy = Array.isArray(member) ? member : restored(member as JsonObject, keys)
      if (copy !== member) {
        onCopy?.(member as JsonObject, copy as JsonObject)
        // By definition and not by assignment, for the key may be `__proto__`.
        Object.defineProperty(holder, name, { value: copy })
      }
      pending.push(copy)
    }
  }
  return top[0] ?? null
}

/** The key that stood where this plain one stands. */
export function originalKey(plain: string, keys: readonly string[]): string {
  return keys[Number(plain.slice(1))] ?? plain
}

function restored(object: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([plain, value]) => [originalKey(plain, keys), value]))
}

/** The index after the string that begins at `start`, and whether there is an escape in it. */
function stringAt(text: string, start: number): { readonly end: number; readonly escaped: boolean } {
  let escaped = false
  for (let i = start + 1; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === quote) return { end: i + 1, escaped }
    if (unit !== backslash) continue
    escaped = true
    i++
  }
  return { end: text.length, escaped }
}

/** Whether what has ended here was a key. */
function isKey(text: string, end: number): boolean {
  let at = end
  for (; ; at++) {
    const unit = text.charCodeAt(at)
    if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return unit === colon
  }
}
