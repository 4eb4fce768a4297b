/** How a room comes into memory: where it stands and its newest events, and everything else when it is first asked for. */

import { parseStoredPdu } from '#protocol/events/pdu.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { RoomVersionRules } from '#protocol/versions/rules.ts'
import { rulesFor } from '#protocol/versions/table.ts'
import type { StoredEvent } from '#storage/entry.ts'
import type { Reads } from '#storage/reads.ts'
import { recentEvents, roomStanding } from '#storage/rooms/activation.ts'
import { readEventsByNid } from '#storage/rooms/events.ts'
import { readStateNodes } from '#storage/rooms/rooms.ts'
import { RoomCore, type RoomIdentity, type Tip } from './core.ts'
import { hashOfStored } from './reference-hashes.ts'
import { RoomState, type StateEvent, type StateSource } from './state.ts'

const windowSize = 1000

/** The room as Postgres has it, or undefined if it does not exist here. */
export async function loadRoom(
  reads: Reads,
  roomId: RoomId,
  shardCount: number,
): Promise<RoomCore | undefined> {
  const standing = await roomStanding(reads, roomId)
  if (standing === undefined) return undefined
  const rules = rulesFor(standing.version)
  if (rules === undefined) throw new Error(`room version ${standing.version} is not known`)
  const [tipEvents, recent] = await Promise.all([
    readEventsByNid(reads, standing.tips),
    recentEvents(reads, standing.roomNid, windowSize),
  ])
  const identity = { roomId, roomNid: standing.roomNid, rules, shardCount }
  const state = new RoomState(standing.root, stateSource(reads, identity))
  const tips = tipEvents.map((event) => tipOf(rules, event))
  const room = new RoomCore(identity, state, tips, standing.userShards)
  for (const event of recent) room.recent.add(event.eventId, event.pos, event.txnKey)
  return room
}

/** Nodes and events of a room's state from Postgres. */
export function stateSource(
  reads: Reads,
  { roomNid, rules }: Pick<RoomIdentity, 'roomNid' | 'rules'>,
): StateSource {
  return {
    nodes: (ids) => readStateNodes(reads, roomNid, ids),
    events: async (nids) =>
      (await readEventsByNid(reads, nids)).flatMap((event) => stateEventOf(rules, event)),
  }
}

function stateEventOf(rules: RoomVersionRules, event: StoredEvent): StateEvent[] {
  const { eventId, nid, sender, stateKey, type } = event
  if (stateKey === undefined) return []
  const pdu = parseStoredPdu(rules, event.json)
  const referenceHash = hashOfStored(rules, pdu)
  return [{ nid, eventId, type, stateKey, sender, content: pdu.content, referenceHash }]
}

function tipOf(rules: RoomVersionRules, event: StoredEvent): Tip {
  const pdu = parseStoredPdu(rules, event.json)
  return { nid: event.nid, eventId: event.eventId, depth: pdu.depth, referenceHash: hashOfStored(rules, pdu) }
}
