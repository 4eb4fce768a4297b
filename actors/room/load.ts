/** How a room comes into memory: where it stands and its newest events, and everything else when it is first asked for. */

import type { Pdu } from '#protocol/events/pdu.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { rulesFor } from '#protocol/versions/table.ts'
import type { StoredEvent } from '#storage/entry.ts'
import type { Reads } from '#storage/reads.ts'
import { recentEvents, roomStanding } from '#storage/rooms/activation.ts'
import { readEventsByNid } from '#storage/rooms/events.ts'
import { readStateNodes } from '#storage/rooms/rooms.ts'
import { RoomCore, type Tip } from './core.ts'
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
  const state = new RoomState(standing.root, stateSource(reads, standing.roomNid))
  const identity = { roomId, roomNid: standing.roomNid, rules, shardCount }
  const room = new RoomCore(identity, state, tipEvents.map(tipOf), standing.userShards)
  for (const event of recent) room.recent.add(event.eventId, event.pos, event.txnKey)
  return room
}

/** Nodes and events of a room's state from Postgres. */
export function stateSource(reads: Reads, roomNid: number): StateSource {
  return {
    nodes: (ids) => readStateNodes(reads, roomNid, ids),
    events: async (nids) => (await readEventsByNid(reads, nids)).flatMap(stateEventOf),
  }
}

function stateEventOf(event: StoredEvent): StateEvent[] {
  const { eventId, nid, sender, stateKey, type } = event
  return stateKey === undefined
    ? []
    : [{ nid, eventId, type, stateKey, sender, content: pduOf(event).content }]
}

function tipOf(event: StoredEvent): Tip {
  return { nid: event.nid, eventId: event.eventId, depth: pduOf(event).depth }
}

function pduOf(event: StoredEvent): Pdu {
  // The cast is sound: what is stored was built or checked as a Pdu.
  return JSON.parse(event.json) as Pdu
}
