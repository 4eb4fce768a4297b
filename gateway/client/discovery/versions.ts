/**
 * GET /_matrix/client/versions
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientversions
 */

import { Answer, defineEndpoint } from '../../http/endpoint.ts'
import { supportedVersions, unstableFeatures } from './supported.ts'

const body = JSON.stringify({ versions: supportedVersions, unstable_features: unstableFeatures })

/** The same for everybody, so that a token is not even looked at: clients ask this first, also with one that has expired. */
export const endpoint = defineEndpoint({
  method: 'GET',
  path: '/_matrix/client/versions',
  auth: 'none',
  rateLimit: 'none',
  body: { kind: 'none' },
  handle: () => Answer.json(body),
})
