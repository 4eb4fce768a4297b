/**
 * The versions of key backups: POST and GET /_matrix/client/v3/room_keys/version, GET, PUT and DELETE
 * /_matrix/client/v3/room_keys/version/{version}
 * https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3room_keysversion
 */

import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import { anyJsonObject } from '../../http/body.ts'
import { defineEndpoint, type AnyEndpoint } from '../../http/endpoint.ts'
import { plainText } from '../plain-text.ts'
import { existingBackup, presentBackup } from './backup-request.ts'

const path = ['/_matrix/client/v3/room_keys/version', '/_matrix/client/unstable/room_keys/version'] as const
const versionPath = [
  '/_matrix/client/v3/room_keys/version/:version',
  '/_matrix/client/unstable/room_keys/version/:version',
] as const

const backup = { algorithm: plainText(255), auth_data: anyJsonObject }

const create = defineEndpoint({
  method: 'POST',
  path,
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'json', schema: z.looseObject(backup) },
  handle: async ({ ask, body, requester, traceId }) => {
    const request = { algorithm: body.algorithm, authData: body.auth_data }
    return ask.ask('user', requester.userId, 'createBackup', request, { traceId })
  },
})

const getLatest = defineEndpoint({
  method: 'GET',
  path,
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: async ({ reads, requester }) =>
    presentBackup(await existingBackup(reads, requester.userId, undefined)),
})

const get = defineEndpoint({
  method: 'GET',
  path: versionPath,
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: async ({ params, reads, requester }) =>
    presentBackup(await existingBackup(reads, requester.userId, params['version'] ?? '')),
})

const put = defineEndpoint({
  method: 'PUT',
  path: versionPath,
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'json', schema: z.looseObject({ ...backup, version: z.string().optional() }) },
  handle: async ({ ask, body, params, requester, traceId }) => {
    const version = params['version'] ?? ''
    // "version: … it must match the version in the path."
    if (body.version !== undefined && body.version !== version) {
      throw new MatrixError(
        'M_INVALID_PARAM',
        'The version in the body is another one than that in the path.',
      )
    }
    const request = { version, algorithm: body.algorithm, authData: body.auth_data }
    await ask.ask('user', requester.userId, 'updateBackup', request, { traceId })
    return {}
  },
})

const remove = defineEndpoint({
  method: 'DELETE',
  path: versionPath,
  auth: 'user',
  rateLimit: 'write',
  body: { kind: 'none' },
  handle: async ({ ask, params, requester, traceId }) => {
    const request = { version: params['version'] ?? '' }
    await ask.ask('user', requester.userId, 'deleteBackup', request, { traceId })
    return {}
  },
})

export const backupVersionEndpoints: readonly AnyEndpoint[] = [create, getLatest, get, put, remove]
