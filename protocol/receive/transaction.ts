/**
 * What is in a transaction of another server. One part of it that is bad does not take down the others. Server-server API v1.19,
 * "Transactions".
 */
import { MatrixError } from '../errors.ts'
import { eventIdOf, roomIdOfCreate } from '../events/hash.ts'
import { checkReceivedFormat } from '../events/pdu.ts'
import { roomVersionOf } from '../events/read/create.ts'
import { isRoomId, type RoomId } from '../ids/room-id.ts'
import { maxClientDepth } from '../json/limits.ts'
import { receivedElements, type ReceivedBody, type ReceivedJson } from '../json/received.ts'
import { isJsonObject, objectField, stringField, type JsonValue } from '../json/types.ts'
import { rulesFor } from '../versions/table.ts'

/** "Must not include more than 50 PDUs." */
export const maxTransactionPdus = 50

/** "Must not include more than 100 EDUs." */
export const maxTransactionEdus = 100

/** The parts of a transaction, each for itself, in their order. */
export interface ReceivedTransaction {
  /** The events, not judged yet: their room versions are to be found first, by `roomIdOf`. */
  readonly pdus: readonly ReceivedJson[]
  /** The ephemeral messages that can be passed on as JSON at all; others have been left out. Not read yet. */
  readonly edus: readonly JsonValue[]
}

/**
 * The parts of a transaction. A list that is absent counts as empty. Throws M_BAD_JSON for a list that is none, and for more
 * events or ephemeral messages than a transaction may have: then nothing of it is to be processed.
 */
export function readTransaction(body: ReceivedBody): ReceivedTransaction {
  const edus = listOf(body, 'edus', maxTransactionEdus)
  return {
    pdus: listOf(body, 'pdus', maxTransactionPdus),
    edus: edus.filter(isClean).map(({ value }) => value),
  }
}

/**
 * The room that a received event says it is in, or undefined if it says nothing that is a room id. The create event of version 12 and
 * later does not say it; its id does. Room version 12, "Room IDs".
 */
export function roomIdOf(received: ReceivedJson): RoomId | undefined {
  const { value } = received
  if (!isJsonObject(value)) return undefined
  const room = stringField(value, 'room_id')
  if (room !== undefined) return isRoomId(room) ? room : undefined
  const version =
    stringField(value, 'type') === 'm.room.create' && roomVersionOf(objectField(value, 'content') ?? {})
  const rules = version === false || version === undefined ? undefined : rulesFor(version)
  if (rules === undefined || !rules.roomIdIsCreateHash) return undefined
  const form = checkReceivedFormat(rules, received)
  return form.ok ? roomIdOfCreate(eventIdOf(rules, form.pdu)) : undefined
}

function listOf(body: ReceivedBody, key: string, max: number): readonly ReceivedJson[] {
  if (!Object.hasOwn(body.body, key)) return []
  const list = receivedElements(body, key)
  if (list === undefined) throw new MatrixError('M_BAD_JSON', `${key} must be a list.`)
  if (list.length > max) throw new MatrixError('M_BAD_JSON', `A transaction has at most ${max} ${key}.`)
  return list
}

/** True for what can be given to clients: what they may not send themselves, for its depth or its text, they do not get either. */
function isClean({ flaws, depth }: ReceivedJson): boolean {
  return depth <= maxClientDepth && !flaws.has('lone-surrogates') && !flaws.has('infinite-numbers')
}
