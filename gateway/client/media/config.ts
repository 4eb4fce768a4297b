/**
 * GET /_matrix/client/v1/media/config, formerly /_matrix/media/v3/config
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1mediaconfig
 */

import { defineEndpoint } from '../../http/endpoint.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: ['/_matrix/client/v1/media/config', '/_matrix/media/v3/config', '/_matrix/media/r0/config'],
  auth: 'user',
  rateLimit: 'read',
  body: { kind: 'none' },
  handle: ({ config }) => ({ 'm.upload.size': config.mediaMaxBytes }),
})
