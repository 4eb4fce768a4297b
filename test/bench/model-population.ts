/**
 * A million people and what they say, by number: which rooms there are, who is in them and waits for news, and which room the next
 * message goes to. Everything follows from the seed; shards are those of the production hash.
 */

import { shardOf } from '#actors/runtime/shards.ts'
import { seededRandom } from './sending.ts'

/** Rooms of a kind: how many there are for a million people, how large they are, and what part of all messages is said in them. */
interface RoomClass {
  readonly name: string
  readonly rooms: number
  readonly smallest: number
  readonly largest: number
  readonly share: number
}

const classes: readonly RoomClass[] = [
  { name: 'two people', rooms: 2_000_000, smallest: 2, largest: 2, share: 0.35 },
  { name: '3–10', rooms: 400_000, smallest: 3, largest: 10, share: 0.3 },
  { name: '11–50', rooms: 80_000, smallest: 11, largest: 50, share: 0.2 },
  { name: '51–500', rooms: 8_000, smallest: 51, largest: 500, share: 0.12 },
  { name: '501–5,000', rooms: 400, smallest: 501, largest: 5000, share: 0.03 },
]

/** The part of all people who have a sync waiting. */
const waitingShare = 0.2
/** Of those who wait so many mark a message as read. */
const readersAtMost = 3
/** The busiest room of N gets N^-0.4 of what is said in rooms of its kind: activity falls with the rank to the power of 0.6. */
const activityPower = 2.5

export interface ModelRoom {
  readonly roomId: string
  readonly shard: number
  /** The shards of those in it who have a sync waiting, once for each. */
  readonly waiting: Uint8Array
}

export interface ModelEvent {
  readonly room: ModelRoom
  readonly kind: 'message' | 'receipt'
}

export interface Population {
  readonly users: number
  /** Distinct rooms in which something is said. */
  readonly rooms: readonly ModelRoom[]
  readonly events: readonly ModelEvent[]
}

export interface PopulationOptions {
  readonly users: number
  /** How many messages are drawn. Receipts come on top. */
  readonly messages: number
  readonly seed: number
}

/** Draws the messages, and makes the rooms in which they are said. */
export function drawPopulation({ users, messages, seed }: PopulationOptions): Population {
  const random = seededRandom(seed)
  const shards = Uint8Array.from({ length: users }, (_, user) => shardOf(`@user${user}:example.org`))
  const rooms = new Map<string, ModelRoom>()
  const events: ModelEvent[] = []
  for (let message = 0; message < messages; message++) {
    const of = drawClass(random())
    const count = Math.max(1, Math.round((of.rooms * users) / 1_000_000))
    const rank = Math.floor(count * random() ** activityPower)
    const room = rooms.getOrInsertComputed(`${of.name} ${rank}`, (key) =>
      makeRoom(key, of, { shards, random }),
    )
    events.push({ room, kind: 'message' })
    const readers = Math.min(readersAtMost, room.waiting.length - 1)
    for (let reader = 0; reader < readers; reader++) events.push({ room, kind: 'receipt' })
  }
  return { users, rooms: [...rooms.values()], events }
}

function drawClass(at: number): RoomClass {
  let sum = 0
  for (const of of classes) {
    sum += of.share
    if (at < sum) return of
  }
  // The cast is sound: the list is not empty.
  return classes.at(-1) as RoomClass
}

/** Sizes are even on a logarithmic scale. Whoever says something waits for what others say. */
function makeRoom(
  key: string,
  of: RoomClass,
  { shards, random }: { readonly shards: Uint8Array; readonly random: () => number },
): ModelRoom {
  const size = Math.round(of.smallest * (of.largest / of.smallest) ** random())
  const waiting: number[] = []
  for (let member = 0; member < size; member++) {
    const shard = shards[Math.floor(random() * shards.length)] ?? 0
    if (member === 0 || random() < waitingShare) waiting.push(shard)
  }
  const roomId = `!${key.replaceAll(' ', '-')}:example.org`
  return { roomId, shard: shardOf(roomId), waiting: Uint8Array.from(waiting) }
}
