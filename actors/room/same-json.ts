import { canonicalJson } from '#protocol/json/canonical.ts'
import type { JsonObject } from '#protocol/json/types.ts'

/** Whether two objects say the same, whatever the order of their keys. Throws JsonError for what no JSON can say. */
export function isSameJson(a: JsonObject, b: JsonObject): boolean {
  return canonicalJson(a, 'lax') === canonicalJson(b, 'lax')
}
