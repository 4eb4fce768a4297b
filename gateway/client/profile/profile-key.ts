/** Names and values of profile fields. Client-server API v1.19, "Profiles". */

import { parseJson } from '#protocol/json/parse.ts'
import { MatrixError } from '#protocol/errors.ts'
import { isNamespacedIdentifier } from '#protocol/ids/identifier-grammar.ts'
import { isUserId, serverOf, type UserId } from '#protocol/ids/user-id.ts'
import { utf8Bytes } from '#protocol/json/limits.ts'
import type { JsonObject, JsonValue } from '#protocol/json/types.ts'
import { readAccount } from '#storage/users/accounts.ts'
import { readProfile } from '#storage/users/profiles.ts'
import type { Services } from '../../http/endpoint.ts'

const maxKeyBytes = 255
const maxDisplayNameLength = 256
const maxAvatarUrlLength = 1000

/** The field named in the path. Throws M_KEY_TOO_LARGE, M_INVALID_PARAM. */
export function profileKey(params: Readonly<Record<string, string>>): string {
  const key = params['keyName'] ?? ''
  if (utf8Bytes(key) > maxKeyBytes) {
    throw new MatrixError('M_KEY_TOO_LARGE', `The name of a profile field has at most ${maxKeyBytes} bytes.`)
  }
  if (!isNamespacedIdentifier(key)) {
    throw new MatrixError(
      'M_INVALID_PARAM',
      'The name of a profile field begins with a-z and has only a-z, 0-9, "_", "-" and ".".',
    )
  }
  return key
}

/**
 * The value of a field in the body; undefined where the field is to be removed: null and empty texts for the display name and the
 * avatar. Throws M_MISSING_PARAM, M_INVALID_PARAM.
 */
export function profileValue(body: JsonObject, key: string): JsonValue | undefined {
  if (!Object.hasOwn(body, key)) throw new MatrixError('M_MISSING_PARAM', `The field "${key}" is missing.`)
  const value = body[key] ?? null
  if (key !== 'displayname' && key !== 'avatar_url') return value
  if (value === null || value === '') return undefined
  if (typeof value !== 'string')
    throw new MatrixError('M_INVALID_PARAM', `The field "${key}" must be a string.`)
  if (key === 'displayname' && value.length > maxDisplayNameLength) {
    throw new MatrixError('M_INVALID_PARAM', `A display name has at most ${maxDisplayNameLength} characters.`)
  }
  // NOTSPEC: "For avatar_url, the value MUST be an MXC URI string." Another one names no picture, harms nobody, and is accepted everywhere.
  if (key === 'avatar_url' && value.length > maxAvatarUrlLength) {
    throw new MatrixError('M_INVALID_PARAM', `An avatar's URI has at most ${maxAvatarUrlLength} characters.`)
  }
  return value
}

/** The profile of a user of this server. Throws M_NOT_FOUND where there is no open account. */
export async function profileOf(
  { config, reads }: Pick<Services, 'config' | 'reads'>,
  params: Readonly<Record<string, string>>,
): Promise<JsonObject> {
  const userId = params['userId'] ?? ''
  if (!isUserId(userId)) throw new MatrixError('M_INVALID_PARAM', 'This is not a user id.')
  if (serverOf(userId) !== config.serverName) throw noProfile()
  return readLocalProfile(reads, userId)
}

async function readLocalProfile(reads: Services['reads'], userId: UserId): Promise<JsonObject> {
  const [account, fields] = await Promise.all([readAccount(reads, userId), readProfile(reads, userId)])
  if (account === undefined || account.deactivatedAt !== undefined) throw noProfile()
  // The cast is sound: the column holds JSON that this program wrote.
  return Object.fromEntries([...fields].map(([key, text]) => [key, parseJson(text)]))
}

function noProfile(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'There is no such profile.')
}
