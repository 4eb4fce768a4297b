/**
 * Room upgrades as a user lives through them: when he comes into a room that replaces another, what he has set for the old one is carried over
 * into the new one. Client-server API v1.19, "Room Upgrades", says nothing of it; clients and other servers expect it.
 *
 * It follows from a commit in another shard (DESIGN.md §8), and the log is the outbox: the row of his joining names the room that is
 * replaced (`logKinds.event`). It needs no cursor of its own, since these rows are read anyway: a user's sync carries all of his rows in
 * order, and an activation begins with those that count at present. What has been carried is remembered with his push rules, in the same
 * transaction as the copies and after all else, so that a crash repeats it, and nothing is carried twice.
 *
 *   row of the room's log ─► his sync: a room that replaces another? not carried yet? ─► carryOver, a turn ─► his log
 */

import { MatrixError } from '#protocol/errors.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import { objectField, type JsonObject } from '#protocol/json/types.ts'
import { carryRules, isCarried, type Succession } from '#protocol/push/succession.ts'
import { maxTags, pushRulesType, type AccountData } from './account-data.ts'
import { nothing, type UserCore, type UserHandlers } from './core.ts'

/** Asks the actor to carry over what has not been carried yet. */
export async function carryLater(
  core: UserCore,
  data: AccountData,
  successions: readonly Succession[],
): Promise<void> {
  const stored = await data.storedRules()
  const open = successions.filter(({ to }) => !isCarried(stored, to))
  if (open.length > 0) core.context.enqueue({ kind: 'carryOver', body: { successions: open } })
}

export function successionHandlers(core: UserCore, data: AccountData): UserHandlers<'carryOver'> {
  return {
    carryOver: async ({ successions }) => {
      if (core.account === undefined || core.account.deactivatedAt !== undefined) return nothing
      for (const succession of oldestFirst(successions)) await carry(data, succession)
      return nothing
    },
  }
}

/** A room that was upgraded twice hands on what came to it: whatever ends in a room goes before what begins there. */
function oldestFirst(successions: readonly Succession[]): Iterable<Succession> {
  const byTarget = new Map(successions.map((succession) => [succession.to, succession]))
  const ordered = new Set<Succession>()
  const visit = (succession: Succession, after: ReadonlySet<RoomId>): void => {
    const before = byTarget.get(succession.from)
    // Rooms can name each other; somewhere such a circle has to be entered.
    if (before !== undefined && !after.has(before.to)) visit(before, new Set([...after, before.to]))
    ordered.add(succession)
  }
  for (const succession of successions) visit(succession, new Set([succession.to]))
  return ordered
}

async function carry(data: AccountData, succession: Succession): Promise<void> {
  const stored = await data.storedRules()
  if (isCarried(stored, succession.to)) return
  await putIfItFits(data, succession.to, 'm.tag', await carriedTags(data, succession))
  await putIfItFits(data, '', 'm.direct', carriedDirect(await data.content('', 'm.direct'), succession))
  // Last: it says that all has been done. The cast is sound: stored rules are plain JSON.
  await putIfItFits(data, '', pushRulesType, carryRules(stored, succession) as JsonObject)
}

/** What does not fit beside everything else that the user has stored stays away; nobody is there to be told. */
async function putIfItFits(
  data: AccountData,
  roomId: string,
  type: string,
  content: JsonObject | undefined,
): Promise<void> {
  if (content === undefined) return
  try {
    await data.put(roomId, type, content)
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
  }
}

/** The new room's tags with those of the old one that it has not; undefined where there is nothing to do. */
async function carriedTags(data: AccountData, { from, to }: Succession): Promise<JsonObject | undefined> {
  const old = objectField((await data.content(from, 'm.tag')) ?? {}, 'tags') ?? {}
  const present = (await data.content(to, 'm.tag')) ?? {}
  const tags = { ...old, ...objectField(present, 'tags') }
  const count = Object.keys(tags).length
  return Object.keys(old).length === 0 || count > maxTags ? undefined : { ...present, tags }
}

/** The direct chats with the new room wherever the old one is among them; undefined where it is nowhere. */
function carriedDirect(content: JsonObject | undefined, { from, to }: Succession): JsonObject | undefined {
  let isThere = false
  const entries = Object.entries(content ?? {}).map(([userId, rooms]): [string, typeof rooms] => {
    if (!Array.isArray(rooms) || !rooms.includes(from) || rooms.includes(to)) return [userId, rooms]
    isThere = true
    return [userId, [...rooms, to]]
  })
  return isThere ? Object.fromEntries(entries) : undefined
}
