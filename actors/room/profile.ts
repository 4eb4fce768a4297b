/** What follows in a room from changes that a member made in his own shard: his profile, his device list. */

import { membershipOf } from '#protocol/events/read/membership.ts'
import { stringField } from '#protocol/json/types.ts'
import { memberProfile } from '#storage/rooms/member-profile.ts'
import type { RoomCore } from './core.ts'
import { profileContent } from './membership.ts'
import type { MemberChange } from './messages.ts'
import type { RoomServices } from './services.ts'

const windowSize = 5000

/** Up to which position of his own shard each member's changes have been applied; only those of late are remembered. */
export class AppliedChanges {
  readonly #positions = new Map<string, number>()

  /** Whether the change is news, and notes that it has been applied. */
  accept(change: MemberChange): boolean {
    if ((this.#positions.get(change.userId) ?? -1) >= change.source.pos) return false
    this.#positions.delete(change.userId)
    this.#positions.set(change.userId, change.source.pos)
    if (this.#positions.size > windowSize) {
      for (const oldest of this.#positions.keys()) {
        this.#positions.delete(oldest)
        break
      }
    }
    return true
  }
}

/**
 * Writes the profile of a joined user into his member event, if it differs. Client-server API v1.19, "Events on change of profile information".
 * It is read here and now: whoever asks may have stood still since he read it, and another one may have told a newer one meanwhile.
 */
export async function applyProfile(
  room: RoomCore,
  services: RoomServices,
  { userId }: MemberChange,
): Promise<Record<string, never>> {
  const member = await room.state.settle(() => room.state.lookup('m.room.member', userId))
  if (member === undefined || membershipOf(member.content) !== 'join') return {}
  const profile = await memberProfile(services.context.reads, userId)
  const isSame =
    stringField(member.content, 'displayname') === profile.displayname &&
    stringField(member.content, 'avatar_url') === profile.avatar_url
  if (isSame) return {}
  const content = { ...profileContent(profile), membership: 'join' }
  await services.post(room, { type: 'm.room.member', stateKey: userId, sender: userId, content })
  return {}
}

/** Tells the room that the devices of a joined member have changed. */
export async function applyDeviceList(
  room: RoomCore,
  services: RoomServices,
  change: MemberChange,
): Promise<Record<string, never>> {
  const { userId } = change
  const member = await room.state.settle(() => room.state.lookup('m.room.member', userId))
  if (member === undefined || membershipOf(member.content) !== 'join') return {}
  const batch = services.batch()
  const row = { kind: 'deviceList', roomNid: room.roomNid } as const
  const body = { user: userId }
  batch.append(
    { ...row, body: JSON.stringify(body), userShards: room.userShards },
    { ...row, roomId: room.roomId, body },
  )
  services.decide(batch)
  return {}
}
