/**
 * GET /.well-known/matrix/client
 * https://spec.matrix.org/v1.19/client-server-api/#getwell-knownmatrixclient
 */

import { publicUrl } from '../../config/public-url.ts'
import { defineEndpoint } from '../../http/endpoint.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: '/.well-known/matrix/client',
  auth: 'none',
  rateLimit: 'none',
  body: { kind: 'none' },
  handle: ({ config }) => ({ 'm.homeserver': { base_url: publicUrl(config) } }),
})
