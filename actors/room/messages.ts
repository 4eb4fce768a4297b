/**
 * What may be asked of a room. Every request is safe to repeat: it carries an idempotency key, or names an end state.
 *
 * Errors are `MatrixError`s: M_NOT_FOUND for a room that does not exist here, M_FORBIDDEN with the auth rule's sentence, M_TOO_LARGE, M_BAD_JSON.
 */

import type { EventId } from '#protocol/ids/event-id.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'

/** A state event to be made. */
export interface NewState {
  readonly type: string
  readonly stateKey: string
  readonly content: JsonObject
}

/** What a member event says of its user. */
export interface MemberProfile {
  readonly displayname?: string
  readonly avatar_url?: string
}

export interface CreateRoom {
  readonly version: string
  /** Whoever asks has built the create event from these fields to know the room id and thus the shard; the actor builds it again. */
  readonly roomId: RoomId
  readonly sender: UserId
  readonly createContent: JsonObject
  readonly originServerTs: number
  readonly profile: MemberProfile
  /** In order, after the create event and the creator's join. */
  readonly state: readonly NewState[]
  readonly invites: readonly {
    readonly userId: UserId
    readonly profile: MemberProfile
    readonly isDirect: boolean
  }[]
}

export interface SendEvent {
  readonly sender: UserId
  /** With the room and the sender the idempotency key. */
  readonly deviceId: string
  readonly txnId: string
  readonly type: string
  readonly content: JsonObject
}

export interface SendState extends NewState {
  readonly sender: UserId
}

export interface RedactEvent {
  readonly sender: UserId
  readonly deviceId: string
  readonly txnId: string
  readonly target: EventId
  /** Content of the redaction without `redacts`: `reason` and whatever else. */
  readonly content: JsonObject
}

/** A membership that somebody wants; the target's own or another's. Already so with the same content: nothing happens. */
export interface ChangeMembership {
  readonly sender: UserId
  readonly target: UserId
  readonly action: 'join' | 'leave' | 'invite' | 'kick' | 'ban' | 'unban' | 'knock'
  readonly reason?: string
  /** The target's profile, for join, invite and knock. */
  readonly profile: MemberProfile
  readonly isDirect?: boolean
  /** Further keys of the content that the caller may choose (join with `third_party_signed` etc. excluded). */
  readonly content?: JsonObject
}

export interface SetReceipt {
  readonly userId: UserId
  readonly receiptType: 'm.read' | 'm.read.private'
  /** '' for an unthreaded receipt. */
  readonly threadId: string
  readonly eventId: EventId
  readonly ts: number
}

export interface SetTyping {
  readonly userId: UserId
  readonly typing: boolean
  readonly timeoutMs: number
}

/** Something of a member changed in his own shard, at a position that makes it repeatable. */
export interface MemberChange {
  readonly userId: UserId
  readonly source: { readonly shard: number; readonly pos: number }
}

export type RoomMessages = {
  create: { request: CreateRoom; reply: { roomId: RoomId } }
  send: { request: SendEvent; reply: { eventId: EventId } }
  state: { request: SendState; reply: { eventId: EventId } }
  redact: { request: RedactEvent; reply: { eventId: EventId } }
  /** `eventId` is absent where nothing had to be done. */
  membership: { request: ChangeMembership; reply: { eventId?: EventId } }
  receipt: { request: SetReceipt; reply: Record<string, never> }
  typing: { request: SetTyping; reply: Record<string, never> }
  /** Writes the present profile into the member event, if it is joined and differs. `profile` is for rooms of older versions, which write that. */
  profile: { request: MemberChange & { profile: MemberProfile }; reply: Record<string, never> }
  /** Writes a row for a changed device list of a joined member. */
  deviceList: { request: MemberChange; reply: Record<string, never> }
}
