/** What changed for a user beside his rooms' timelines: his account data, and whose device lists he must look at again. */

import { type DeviceLists, deviceListsOf } from '#storage/sync/device-lists.ts'
import type { AccountDataItem } from '../own-state.ts'
import type { AnswerOptions, UserView } from './answer.ts'
import type { RoomView } from './from-database.ts'
import type { Sections } from './sections.ts'

export interface ChangedAccountData {
  readonly global: readonly AccountDataItem[]
  readonly rooms: ReadonlyMap<string, readonly AccountDataItem[]>
}

const noAccountData: ChangedAccountData = { global: [], rooms: new Map() }

export async function accountDataOf(
  user: UserView,
  { since, heads }: AnswerOptions,
): Promise<ChangedAccountData> {
  if (since === undefined) return { global: await user.own.accountData(''), rooms: new Map() }
  const after = since.positions[user.shard] ?? 0
  const upTo = heads[user.shard] ?? 0
  if (user.accountDataChangedAt <= after) return noAccountData
  const isNew = ({ pos }: AccountDataItem): boolean => pos > after && pos <= upTo
  const [global, ofRooms] = await Promise.all([user.own.accountData(''), user.own.accountDataAfter(after)])
  return { global: global.filter(isNew), rooms: Map.groupBy(ofRooms.filter(isNew), (item) => item.roomId) }
}

export function changedDevices(
  user: UserView,
  options: AnswerOptions,
  { sections, steady }: { readonly sections: Sections; readonly steady: readonly RoomView[] },
): DeviceLists | Promise<DeviceLists> {
  const { since, plan, heads, viewer } = options
  // A first sync knows nobody's devices yet; a client whose token means nothing here may know wrong ones.
  if (since === undefined && plan.since === undefined) return { changed: [], left: [] }
  const present = (): { roomNid: number; pos: number }[] =>
    Array.from(user.rooms.values())
      .filter((room) => room.membershipAt(heads[room.shard] ?? 0) === 'join')
      .map((room) => ({ roomNid: room.roomNid, pos: heads[room.shard] ?? 0 }))
  return deviceListsOf(user.host.reads, {
    userId: viewer.userId,
    byHimself:
      since === undefined
        ? [...new Set([viewer.userId, ...user.keyChanges.after(0)])]
        : user.keyChanges.after(since.positions[user.shard] ?? 0),
    steady: steady.map((view) => view.delta),
    joined: sections.fresh.map(({ room, upTo }) => ({ roomNid: room.roomNid, pos: upTo })),
    gone: sections.left
      .filter((ask) => ask.wasIn)
      .map(({ room, after }) => ({ roomNid: room.roomNid, pos: after })),
    present,
  })
}
