/** What is known of uploaded media; the bytes are elsewhere. */

import type { UserId } from '#protocol/ids/user-id.ts'
import type { Reads } from '../reads.ts'

export interface Media {
  readonly mediaId: string
  readonly userId: UserId
  readonly contentType: string
  readonly fileName: string | undefined
  /** Bytes; absent: the id is reserved and nothing was uploaded yet. */
  readonly size: number | undefined
  readonly sha256: Uint8Array | undefined
  /** Milliseconds. */
  readonly createdAt: number
  /** Milliseconds, of a reservation. */
  readonly expiresAt: number | undefined
}

/** The media with this id, or undefined. */
export async function readMedia(reads: Reads, mediaId: string): Promise<Media | undefined> {
  interface Row extends Omit<Media, 'fileName' | 'sha256' | 'expiresAt'> {
    readonly size: number
    readonly fileName: string | null
    readonly sha256: Buffer | null
    readonly expiresAt: number | null
  }
  const [row] = await reads.sql<Row[]>`
    select media_id as "mediaId", user_id as "userId", content_type as "contentType", file_name as "fileName", size, sha256,
      created_at as "createdAt", expires_at as "expiresAt"
    from media where media_id = ${mediaId}`
  return (
    row && {
      ...row,
      size: row.size < 0 ? undefined : row.size,
      fileName: row.fileName ?? undefined,
      sha256: row.sha256 ?? undefined,
      expiresAt: row.expiresAt ?? undefined,
    }
  )
}

/** How many media ids of a user wait for their upload at `now` (milliseconds). */
export async function countPendingMedia(reads: Reads, userId: UserId, now: number): Promise<number> {
  const [row] = await reads.sql<{ count: number }[]>`
    select count(*) as count from media where user_id = ${userId} and size < 0 and expires_at > ${now}`
  return row?.count ?? 0
}
