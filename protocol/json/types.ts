/** Any value that JSON can express. */
export type JsonValue = null | boolean | number | string | JsonArray | JsonObject

/** A JSON array. Parsed values are shared and never changed in place. */
export type JsonArray = readonly JsonValue[]

/** A JSON object. A key may be `__proto__`; read with `Object.hasOwn` or `field` and never copy by assignment. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** What is wrong with a text or value: not JSON at all, JSON that Matrix does not allow, nested too deeply, not Unicode. */
export type JsonErrorKind = 'not-json' | 'bad-json' | 'too-deep' | 'invalid-utf8'

/** A text or value that cannot be accepted as JSON, with the reason as `kind`. */
export class JsonError extends Error {
  override readonly name = 'JsonError'
  readonly kind: JsonErrorKind

  constructor(kind: JsonErrorKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}

/** True for an object that is neither null nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The own field of an object, or undefined. Never finds what a prototype provides, such as `constructor`. */
export function field(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

/** The own field of an object if it is a string, else undefined. */
export function stringField(object: JsonObject, key: string): string | undefined {
  const value = field(object, key)
  return typeof value === 'string' ? value : undefined
}

/** The own field of an object if it is an object, else undefined. */
export function objectField(object: JsonObject, key: string): JsonObject | undefined {
  const value = field(object, key)
  return isJsonObject(value) ? value : undefined
}

/**
 * A new object with these entries, in which a key `__proto__` is data like any other.
 * Object spread has the same property; assignment by key has not.
 */
export function objectFromEntries(entries: Iterable<readonly [string, JsonValue]>): JsonObject {
  return Object.fromEntries(entries)
}
