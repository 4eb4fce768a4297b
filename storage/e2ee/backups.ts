/** Key backups. */

import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'

export interface KeyBackup {
  readonly version: number
  readonly algorithm: string
  /** JSON text. */
  readonly authData: string
  readonly etag: number
  readonly deleted: boolean
  /** Keys in it. */
  readonly count: number
}

export interface BackedUpKey {
  readonly roomId: RoomId
  readonly sessionId: string
  readonly firstMessageIndex: number
  readonly forwardedCount: number
  readonly isVerified: boolean
  /** JSON text. */
  readonly sessionData: string
}

/** One version, deleted or not; without `version` the latest that is not deleted. */
export async function readKeyBackup(
  reads: Reads,
  userId: UserId,
  version?: number,
): Promise<KeyBackup | undefined> {
  const wanted = version ?? null
  const [row] = await reads.sql<KeyBackup[]>`
    select b.version, b.algorithm, b.auth_data as "authData", b.etag, b.deleted,
      (select count(*) from key_backup_key k where k.user_id = b.user_id and k.version = b.version) as count
    from key_backup b
    where b.user_id = ${userId} and (b.version = ${wanted}::bigint or (${wanted}::bigint is null and not b.deleted))
    order by b.version desc limit 1`
  return row
}

/** The greatest version ever given, deleted ones too; 0 if there was none. */
export async function readLastBackupVersion(reads: Reads, userId: UserId): Promise<number> {
  const [row] = await reads.sql<{ version: number }[]>`
    select coalesce(max(version), 0) as version from key_backup where user_id = ${userId}`
  return row?.version ?? 0
}

export interface BackupScope {
  readonly userId: UserId
  readonly version: number
  readonly roomId?: RoomId
  readonly sessionId?: string
}

/** Keys of a backup: all, those of a room, or one session's. */
export async function readBackedUpKeys(reads: Reads, scope: BackupScope): Promise<BackedUpKey[]> {
  const { sql } = reads
  const room = scope.roomId === undefined ? sql`` : sql`and room_id = ${scope.roomId}`
  const session = scope.sessionId === undefined ? sql`` : sql`and session_id = ${scope.sessionId}`
  return sql<BackedUpKey[]>`
    select room_id as "roomId", session_id as "sessionId", first_message_index as "firstMessageIndex",
      forwarded_count as "forwardedCount", is_verified as "isVerified", session_data as "sessionData"
    from key_backup_key where user_id = ${scope.userId} and version = ${scope.version} ${room} ${session}
    order by room_id, session_id`
}
