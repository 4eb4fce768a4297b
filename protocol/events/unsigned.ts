import { field, objectField, type JsonObject, type JsonValue } from '../json/types.ts'

/** What a membership event may tell of its room to those who are not in it. Client-server API v1.19, `m.room.member`. */
const stateForOutsiders = ['invite_room_state', 'knock_room_state']

/**
 * A received event without what its `unsigned` says, but the state that comes with an invite or knock. Nobody has signed `unsigned`, and
 * the rest of it is for each server to say by itself: `age`, `transaction_id`, `redacted_because`, `prev_content`, `m.relations`.
 * What is no object is left for `checkFormat` to find.
 */
export function withoutForeignUnsigned(event: JsonObject): JsonObject {
  const unsigned = objectField(event, 'unsigned')
  if (unsigned === undefined) return event
  const { unsigned: _unsigned, ...rest } = event
  if (field(event, 'type') !== 'm.room.member') return rest as JsonObject
  const kept = stateForOutsiders.flatMap((key): [string, JsonValue][] => {
    const state = field(unsigned, key)
    return Array.isArray(state) ? [[key, state]] : []
  })
  return kept.length === 0
    ? (rest as JsonObject)
    : ({ ...rest, unsigned: Object.fromEntries(kept) } as JsonObject)
}
