/** What those see of a room who are invited or have knocked. Client-server API v1.19, "Stripped state". */

import { strippedKeysForInvite, strippedStateKeys } from '#protocol/events/strip.ts'
import type { StoredEvent } from '#storage/entry.ts'
import { rootsAt } from '#storage/rooms/rooms.ts'
import type { SyncHost } from './host.ts'
import type { UserRoom } from '#storage/sync/user-rooms.ts'
import type { Viewer } from './viewer.ts'

/** The room's text in the section `invite` or `knock`; rooms to which an ignored user invites are left out. */
export async function strippedRooms(
  host: SyncHost,
  viewer: Viewer,
  rooms: readonly { readonly room: UserRoom; readonly pos: number }[],
  name: 'invite_state' | 'knock_state',
): Promise<readonly (readonly [string, string])[]> {
  if (rooms.length === 0) return []
  const roots = await rootsAt(
    host.reads,
    rooms.map(({ room, pos }) => ({ roomNid: room.roomNid, pos })),
  )
  const texts = await Promise.all(
    rooms.map(async ({ room }, i) => {
      const events = await strippedEvents(host, viewer, room, roots[i])
      return events === undefined ? [] : [[room.roomId, `{"${name}":{"events":[${events}]}}`] as const]
    }),
  )
  return texts.flat()
}

async function strippedEvents(
  host: SyncHost,
  viewer: Viewer,
  room: UserRoom,
  root: string | undefined,
): Promise<string | undefined> {
  if (root === undefined) return ''
  const own = await host.states.get(room.roomNid, root, ['m.room.member', viewer.userId])
  if (own !== undefined && viewer.ignored.has(own.sender)) return undefined
  const keys = own === undefined ? strippedStateKeys : strippedKeysForInvite(own.sender)
  const events = await host.states.getMany(room.roomNid, root, keys)
  const wanted = new Map(
    [...events, own].filter((event) => event !== undefined).map((event) => [event.nid, event]),
  )
  return Array.from(wanted.values(), (event) => strippedText(host, event)).join(',')
}

function strippedText(host: SyncHost, event: StoredEvent): string {
  const { sender, stateKey = '', type } = event
  return JSON.stringify({ content: host.texts.content(event), sender, state_key: stateKey, type })
}
