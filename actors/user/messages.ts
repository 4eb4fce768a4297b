/**
 * What may be asked of a local user's actor. Every request is safe to repeat: secrets and ids are made by the caller and name the
 * effect, and where something is made by the actor the request names an end state.
 *
 * Tokens reach the actor only as SHA-256, base64.
 */

import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject, JsonValue } from '#protocol/json/types.ts'
import type { Succession } from '#protocol/push/succession.ts'

/** A session that the gateway has made: ids and hashes, never the tokens. */
export interface NewSession {
  readonly deviceId: string
  readonly displayName?: string
  readonly tokenHash: string
  /** Milliseconds since the epoch; absent: never. */
  readonly expiresAt?: number
  readonly refreshHash?: string
}

export interface Register {
  /** Absent: an account that nobody can log in to by password. */
  readonly passwordHash?: string
  readonly admin: boolean
  readonly session?: NewSession
  /** First profile fields. */
  readonly displayName?: string
}

export interface SyncRequest {
  readonly deviceId: string
  readonly since?: string
  /** How long to wait for something to tell, milliseconds. */
  readonly timeoutMs: number
  /** Filter JSON text, or undefined for none. The gateway resolves filter ids. */
  readonly filter?: string
  readonly fullState: boolean
  readonly useStateAfter: boolean
  readonly setPresence?: 'offline' | 'online' | 'unavailable'
}

/** An edit of push rules, in the words of the endpoints. */
export type PushRuleEdit =
  | {
      readonly op: 'put'
      readonly ruleKind: string
      readonly ruleId: string
      readonly rule: JsonObject
      readonly before?: string
      readonly after?: string
    }
  | { readonly op: 'delete'; readonly ruleKind: string; readonly ruleId: string }
  | {
      readonly op: 'enabled'
      readonly ruleKind: string
      readonly ruleId: string
      readonly enabled: boolean
    }
  | {
      readonly op: 'actions'
      readonly ruleKind: string
      readonly ruleId: string
      readonly actions: readonly JsonValue[]
    }

export interface UploadKeys {
  readonly deviceId: string
  readonly deviceKeys?: JsonObject
  readonly oneTimeKeys?: Readonly<Record<string, JsonValue>>
  readonly fallbackKeys?: Readonly<Record<string, JsonValue>>
}

export interface DeliverToDevice {
  readonly sender: UserId
  readonly type: string
  /** Idempotency: of (sender, device, transaction id, receiver). */
  readonly txnKey: string
  /** Device id, or `*`, to content. */
  readonly messages: Readonly<Record<string, JsonObject>>
}

export interface BackupKey {
  readonly roomId: string
  readonly sessionId: string
  readonly data: JsonObject
}

type Nothing = Record<string, never>

export type UserMessages = {
  // Accounts and sessions
  /** M_USER_IN_USE unless it is the same registration again. */
  register: { request: Register; reply: Nothing }
  /** `passwordHash`: the one by which the password was found right. M_FORBIDDEN when the account has another one by now. */
  login: { request: { session: NewSession; passwordHash: string }; reply: Nothing }
  /** The refresh token must be the session's; the old pair dies when the new one is first used. M_UNKNOWN_TOKEN else. */
  refresh: {
    request: { refreshHash: string; tokenHash: string; expiresAt?: number; newRefreshHash: string }
    reply: { deviceId: string }
  }
  logout: { request: { deviceIds: readonly string[] | 'all' }; reply: Nothing }
  /** M_UNKNOWN_TOKEN when the device that asks, and is kept, has been logged out. */
  setPassword: {
    request: { passwordHash: string; logoutDevices: boolean; keepDeviceId?: string }
    reply: Nothing
  }
  /** `askedFrom`, here and below: the device that asks. M_UNKNOWN_TOKEN when it has been logged out, unless all is done already. */
  deactivate: { request: { erase: boolean; askedFrom?: string }; reply: Nothing }
  /** `deviceId`: of the session that asks. M_UNKNOWN_TOKEN when it has been logged out. */
  addLoginToken: { request: { tokenHash: string; expiresAt: number; deviceId: string }; reply: Nothing }
  /** Logs in by a login token, which is used up. M_FORBIDDEN when it is unknown, used or old. */
  loginByToken: { request: { loginTokenHash: string; session: NewSession }; reply: Nothing }
  addOpenIdToken: { request: { tokenHash: string; expiresAt: number }; reply: Nothing }
  setDeviceName: { request: { deviceId: string; displayName: string }; reply: Nothing }
  deleteDevices: { request: { deviceIds: readonly string[]; askedFrom?: string }; reply: Nothing }
  /** A session was used; `tokenHash` is that of its access token. Its first use ends what was before the refresh that gave it. */
  seen: { request: { deviceId: string; ip: string; ts: number; tokenHash: string }; reply: Nothing }

  // Data
  putAccountData: {
    request: { roomId?: RoomId; type: string; content: JsonObject }
    reply: Nothing
  }
  putTag: { request: { roomId: RoomId; tag: string; content: JsonObject }; reply: Nothing }
  deleteTag: { request: { roomId: RoomId; tag: string }; reply: Nothing }
  editPushRules: { request: PushRuleEdit; reply: Nothing }
  putProfile: { request: { key: string; value?: JsonValue }; reply: Nothing }
  addFilter: { request: { json: string }; reply: { filterId: string } }
  forget: { request: { roomId: RoomId }; reply: Nothing }
  putMedia: {
    request: {
      mediaId: string
      contentType: string
      fileName?: string
      size: number
      sha256?: string
      expiresAt?: number
    }
    reply: Nothing
  }

  // End-to-end encryption
  uploadKeys: { request: UploadKeys; reply: { counts: Readonly<Record<string, number>> } }
  /** Device id → algorithm; what is out of keys is absent from the reply. */
  claimKeys: {
    request: { claims: Readonly<Record<string, string>>; claimKey: string }
    reply: { keys: Readonly<Record<string, Readonly<Record<string, JsonValue>>>> }
  }
  uploadCrossSigning: {
    request: {
      master?: JsonObject
      selfSigning?: JsonObject
      userSigning?: JsonObject
      askedFrom?: string
    }
    reply: Nothing
  }
  /** User id → key id → signed object. Nothing is stored of what fails. */
  uploadSignatures: {
    request: { signatures: Readonly<Record<string, Readonly<Record<string, JsonValue>>>> }
    reply: { failures: Readonly<Record<string, Readonly<Record<string, JsonObject>>>> }
  }
  deliver: { request: DeliverToDevice; reply: Nothing }

  // Key backup
  createBackup: { request: { algorithm: string; authData: JsonObject }; reply: { version: string } }
  updateBackup: {
    request: { version: string; algorithm: string; authData: JsonObject }
    reply: Nothing
  }
  deleteBackup: { request: { version: string }; reply: Nothing }
  putBackupKeys: {
    request: { version: string; keys: readonly BackupKey[] }
    reply: { etag: string; count: number }
  }
  deleteBackupKeys: {
    request: { version: string; roomId?: string; sessionId?: string }
    reply: { etag: string; count: number }
  }

  // Following
  /** From the actor to itself: he is in rooms that replace others, and what he has set for those is carried over, once. */
  carryOver: { request: { successions: readonly Succession[] }; reply: Nothing }
  /** Answers when the user's local rooms have every change of his devices and profile that was decided before. */
  spread: { request: Nothing; reply: Nothing }
  /** From the actor to itself: stores how far his shard's changes have reached the rooms. */
  moveCursor: { request: Nothing; reply: Nothing }

  // Reading along
  /** The reply's body is the whole response, serialised. */
  sync: { request: SyncRequest; reply: Nothing }
  /** A hint from a room's owner: this user's membership changed at (shard, pos). */
  membershipChanged: { request: { shard: number; pos: number }; reply: Nothing }
}
