/** What is known of the user's uploads. The bytes are stored before, by the gateway; this row makes them count. */

import { MatrixError } from '#protocol/errors.ts'
import { readMedia } from '#storage/media/metadata.ts'
import { nothing, type UserCore, type UserHandlers } from './core.ts'
import type { UserMessages } from './messages.ts'

/** Stands in the table for the size of what has not been uploaded yet. */
const reserved = -1

export function mediaHandlers(core: UserCore): UserHandlers<'putMedia'> {
  return {
    putMedia: (request) => putMedia(core, request),
  }
}

/**
 * Reserves a media id or says what was uploaded under it. Throws M_CANNOT_OVERWRITE_MEDIA where something else has been, M_NOT_FOUND for
 * a reservation that is over, M_FORBIDDEN for that of another user.
 */
async function putMedia(
  core: UserCore,
  { mediaId, contentType, fileName, size, sha256, expiresAt }: UserMessages['putMedia']['request'],
): Promise<typeof nothing> {
  core.openAccount()
  await core.settled()
  const { reads, clock } = core.context
  const present = await readMedia(reads, mediaId)
  if (present !== undefined) {
    if (present.userId !== core.userId)
      throw new MatrixError('M_FORBIDDEN', 'The media id is that of another user.')
    if (present.size !== undefined) {
      if (present.sha256 !== undefined && Buffer.from(present.sha256).toString('base64') === sha256)
        return nothing
      throw new MatrixError(
        'M_CANNOT_OVERWRITE_MEDIA',
        'Something has been uploaded under this media id already.',
      )
    }
    if (present.expiresAt !== undefined && present.expiresAt <= clock.now()) {
      throw new MatrixError('M_NOT_FOUND', 'The time for uploading under this media id is over.')
    }
    if (size === reserved) return nothing
  }
  const draft = core.draft()
  draft.put('media', {
    media_id: mediaId,
    user_id: core.userId,
    content_type: contentType,
    file_name: fileName ?? null,
    size,
    sha256: sha256 ?? null,
    created_at: present?.createdAt ?? clock.now(),
    expires_at: expiresAt ?? null,
  })
  void core.decide(draft)
  return nothing
}
