/**
 * Who is said to type. It is kept in memory only, so that its measure is what people asked for: nobody is said to type who has not asked
 * for it a while ago at the most, and in the end nobody is.
 */

import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { Asked } from './people.ts'
import { membershipOf } from './truth.ts'
import type { World } from './world.ts'

/**
 * So long after the typing of somebody has ended everybody knows: what the bus has lost is in the answer to the next request to follow,
 * which comes every twenty seconds; and the device looks again. Milliseconds.
 */
const toldMs = 25_000
/**
 * Whoever waits is told within a second; a client may look two seconds later only. Whoever has come into the room meanwhile may find that his host
 * has not heard of it yet, and looks again. Milliseconds.
 */
const soonMs = 3000
/** Somebody types for so long, milliseconds. */
const typesMs = 7000
/** As long as faults last together, nothing may be told. Milliseconds. */
const faultsMs = 15_000

/** Looks at a word about who types in a room. */
export function checkTyping(
  world: World,
  told: { readonly who: string; readonly roomId: string; readonly userIds: readonly string[] },
): void {
  for (const userId of told.userIds) {
    const asked = typings(world).filter((one) => one.roomId === told.roomId && one.userId === userId)
    if (asked.some((one) => world.kernel.nowMs <= endOf(world, one) + toldMs + faultsMs)) continue
    const when = asked.length === 0 ? 'has never asked for it' : 'has ended long ago'
    world.found('typing', `${told.who} is told that ${userId} types in ${told.roomId}, who ${when}`)
  }
}

/** Lets time go on until nobody is said to type any more; who still is when it has long ended is found wrong. */
export async function untilNobodyTypes(world: World): Promise<void> {
  const lastMs = Math.max(0, ...typings(world).map((one) => endOf(world, one)))
  const endMs = Math.max(world.kernel.nowMs, lastMs) + toldMs
  await world.kernel.advance(Math.max(0, lastMs - world.kernel.nowMs))
  while (world.kernel.nowMs < endMs && saidToType(world).length > 0) await world.kernel.advance(200)
  nobodyTypes(world)
}

/** In every room somebody types, while nothing goes wrong: whoever is in it is told soon, and told soon when it is over. */
export async function typeInPeace(world: World): Promise<void> {
  world.trace(() => 'people type')
  await Promise.all(world.rooms.map((roomId) => typeIn(world, roomId)))
}

async function typeIn(world: World, roomId: RoomId): Promise<void> {
  const { kernel, people, random } = world
  const members = world.users.filter((userId) => membershipOf(world.server.tables, roomId, userId) === 'join')
  const userId = members[Math.floor(random.fraction() * members.length)]
  if (userId === undefined) return
  await people.type(userId, roomId, typesMs)
  const overMs = kernel.nowMs + typesMs
  // Into the last room one has to be invited.
  const comer = roomId === world.rooms.at(-1) ? undefined : members.find((id) => id !== userId)
  if (comer !== undefined) await people.comeBack(comer, roomId)
  const check = (userIds: readonly UserId[], types: boolean): void => {
    for (const { name, typing, userId: id } of world.devices)
      if (userIds.some((one) => one === id) && (typing.get(roomId) ?? []).includes(userId) !== types)
        world.found(
          'typing',
          `${name} is not told that ${userId} ${types ? 'types' : 'types no more'} in ${roomId}`,
        )
  }
  const others = members.filter((id) => id !== comer)
  await world.sleep(soonMs)
  check(others, true)
  await world.sleep(soonMs)
  check(members, true)
  // He says so, or time does.
  if (random.fraction() < 0.5) await people.type(userId, roomId, 0)
  else await world.sleep(overMs - kernel.nowMs)
  await world.sleep(soonMs)
  check(members, false)
}

/** Nobody is said to type in a room of the one who is told. */
export function nobodyTypes(world: World): void {
  for (const what of saidToType(world)) world.found('typing', what)
}

function saidToType(world: World): string[] {
  return world.devices.flatMap((device) =>
    [...device.typing].flatMap(([roomId, userIds]) => {
      const isIn = membershipOf(world.server.tables, roomId, device.userId) === 'join'
      return isIn && userIds.length > 0
        ? [`${device.name} still believes that ${userIds.join()} types in ${roomId}`]
        : []
    }),
  )
}

function typings(world: World): Asked[] {
  return world.people.history.filter(({ key, what }) => what === 'typing' && key !== '0')
}

/** When the typing that was asked for is over, if it is not ended before. */
function endOf(world: World, asked: Asked): number {
  return Math.min(asked.endedMs, world.kernel.nowMs) + Number(asked.key)
}
