/** The users and rooms of a benchmark: the same for the reference and for Troupe, by number; and how each server is told of them. */

import { register, type MatrixUser } from '#test/support/matrix.ts'
import { ask, HttpConnection, requestText } from './http-connection.ts'
import type { Audience, Sender } from './workloads.ts'

const smallRooms = 64
const membersOfSmall = 5
const pairs = 16
const groupSize = 50
/** Of the user with many rooms. */
const readerRooms = 200
const readerMessages = 10
const requestsAtOnce = 16

/** Who is in which room, by the user's number. The first member makes the room. */
interface RoomPlan {
  readonly name: string
  readonly members: readonly number[]
}

export interface WorldPlan {
  readonly users: number
  readonly small: readonly RoomPlan[]
  readonly big: RoomPlan
  readonly pairs: readonly RoomPlan[]
  readonly groups: readonly RoomPlan[]
  /** All users, where they are many. */
  readonly crowd: RoomPlan | undefined
}

/** The rooms and tokens of one server. */
export interface World {
  /** One sender in each of 64 rooms of five. */
  readonly small: readonly Sender[]
  /** 64 senders in one room. */
  readonly big: readonly Sender[]
  readonly pairs: readonly Audience[]
  readonly groups: readonly Audience[]
  readonly crowd: Audience | undefined
}

export interface TroupeWorld extends World {
  /** Token of the user who is in 200 rooms. */
  readonly reader: string
}

function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => from + index)
}

/** Plans for so many users, a multiple of fifty and at least a hundred. */
export function planWorld(users: number): WorldPlan {
  return {
    users,
    small: range(0, smallRooms).map((i) => ({
      name: `small${i}`,
      members: range(i, membersOfSmall).map((member) => member % smallRooms),
    })),
    big: { name: 'big', members: range(0, smallRooms) },
    pairs: range(0, pairs).map((i) => ({
      name: `pair${i}`,
      members: [smallRooms + 2 * i, smallRooms + 2 * i + 1],
    })),
    groups: range(0, users / groupSize).map((i) => ({
      name: `group${i}`,
      members: range(i * groupSize, groupSize),
    })),
    crowd: users >= 500 ? { name: 'crowd', members: range(0, 500) } : undefined,
  }
}

function allRooms(plan: WorldPlan): RoomPlan[] {
  return [...plan.small, plan.big, ...plan.pairs, ...plan.groups, ...(plan.crowd ? [plan.crowd] : [])]
}

/** The world as the loads need it, given the users' tokens and the rooms' ids. */
function worldOf(plan: WorldPlan, tokens: readonly string[], roomIds: ReadonlyMap<string, string>): World {
  const token = (user: number | undefined): string => tokens[user ?? 0] ?? ''
  const sender = (room: RoomPlan, user: number | undefined): Sender => ({
    token: token(user),
    roomId: roomIds.get(room.name) ?? '',
  })
  const audience = (room: RoomPlan): Audience => ({
    sender: sender(room, room.members[0]),
    waiters: room.members.map(token),
  })
  return {
    small: plan.small.map((room) => sender(room, room.members[0])),
    big: plan.big.members.map((user) => sender(plan.big, user)),
    // Of two, the other one waits.
    pairs: plan.pairs.map((room) => ({ ...audience(room), waiters: [token(room.members[1])] })),
    groups: plan.groups.map(audience),
    crowd: plan.crowd && audience(plan.crowd),
  }
}

/** Tells the reference, in one request. */
export async function makeReferenceWorld(port: number, plan: WorldPlan): Promise<World> {
  const userId = (user: number): string => `@bench${user}:localhost`
  const tokens = range(0, plan.users).map((user) => `reference-token-of-user-${user}`)
  const rooms = allRooms(plan)
  const roomIds = new Map(rooms.map((room) => [room.name, `!${room.name.padStart(43, '0')}`]))
  const body = JSON.stringify({
    tokens: Object.fromEntries(tokens.map((token, user) => [token, userId(user)])),
    rooms: Object.fromEntries(rooms.map((room) => [roomIds.get(room.name), room.members.map(userId)])),
  })
  const connection = new HttpConnection(port)
  const reply = await ask(connection, requestText('POST', '/world', '', body))
  connection.close()
  if (reply.status !== 200) throw new Error(`the reference refused its world: ${reply.status}`)
  return worldOf(plan, tokens, roomIds)
}

/** Registers the users and makes the rooms by the client-server API. */
export async function makeTroupeWorld(
  url: string,
  plan: WorldPlan,
  progress: (text: string) => void,
): Promise<TroupeWorld> {
  const { users, world } = await makeMembers(url, plan, progress)
  progress(`one user joins ${readerRooms} rooms of ${readerMessages} messages`)
  const reader = await register(url, 'reader')
  await inParallel(range(0, readerRooms), async (index) => {
    const maker = at(users, index % plan.users)
    const roomId = await maker.createRoom({
      preset: 'public_chat',
      name: `Room ${index}`,
      topic: 'Benchmarks',
    })
    await reader.join(roomId)
    for (let sent = 0; sent < readerMessages; sent++)
      await maker.text(roomId, `Message ${sent} of room ${index}`)
  })
  return { ...world, reader: reader.token }
}

/** The same without the reader. */
export async function makeMembers(
  url: string,
  plan: WorldPlan,
  progress: (text: string) => void,
): Promise<{ readonly users: readonly MatrixUser[]; readonly world: World }> {
  progress(`${plan.users} users register`)
  const users = await inParallel(range(0, plan.users), (user) => register(url, `bench${user}`))
  const rooms = allRooms(plan)
  progress(`${rooms.length} rooms are made`)
  const roomIds = new Map<string, string>()
  await inParallel(rooms, async (room) => {
    const maker = at(users, room.members[0])
    roomIds.set(room.name, await maker.createRoom({ preset: 'public_chat', name: room.name }))
  })
  const joins = rooms.flatMap((room) => room.members.slice(1).map((user) => ({ room, user })))
  progress(`${joins.length} joins`)
  await inParallel(joins, ({ room, user }) => at(users, user).join(roomIds.get(room.name) ?? ''))
  const tokens = users.map((user) => user.token)
  return { users, world: worldOf(plan, tokens, roomIds) }
}

function at(users: readonly MatrixUser[], index: number | undefined): MatrixUser {
  const user = users[index ?? 0]
  if (user === undefined) throw new Error(`there is no user ${index}`)
  return user
}

async function inParallel<T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const inTurn = items.entries()
  const worker = async (): Promise<void> => {
    for (const [index, item] of inTurn) results[index] = await act(item)
  }
  await Promise.all(Array.from({ length: requestsAtOnce }, worker))
  return results
}
