import { carryRawNumbers } from '../json/raw-numbers.ts'
import { field, objectField, type JsonObject, type JsonValue } from '../json/types.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import type { Pdu } from './pdu.ts'

/**
 * The event without everything that the room version's redaction algorithm removes; `unsigned` is removed too.
 * Room versions v1.19, "Redactions". The argument stays as it is.
 */
export function redact(rules: RoomVersionRules, pdu: Pdu): Pdu {
  const kept = pick(pdu, rules.redaction.keepsTopLevel)
  kept['content'] = redactContent(rules, pdu.type, pdu.content)
  // The cast is sound: redaction keeps every required field.
  return kept as unknown as Pdu
}

/** The content that an event of this type has left after redaction. */
export function redactContent(rules: RoomVersionRules, type: string, content: JsonObject): JsonObject {
  const keeps = rules.redaction.keepsContent.get(type)
  if (keeps === undefined) return {}
  if (keeps === 'all') return content
  const kept = pick(content, keeps)
  if (rules.redaction.keepsThirdPartySigned && type === 'm.room.member') {
    const invite = objectField(content, 'third_party_invite')
    if (invite !== undefined) kept['third_party_invite'] = pick(invite, ['signed'])
  }
  return kept
}

function pick(object: JsonObject, keys: Iterable<string>): Record<string, JsonValue> {
  // The keys come from the tables of the room versions, so none of them is `__proto__`.
  const kept: Record<string, JsonValue> = {}
  for (const key of keys) {
    const value = field(object, key)
    if (value !== undefined) kept[key] = value
  }
  carryRawNumbers(object, kept)
  return kept
}
