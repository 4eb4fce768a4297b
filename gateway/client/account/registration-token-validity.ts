/**
 * GET /_matrix/client/v1/register/m.login.registration_token/validity
 * https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1registermloginregistration_tokenvalidity
 */

import { MatrixError } from '#protocol/errors.ts'
import { defineEndpoint } from '../../http/endpoint.ts'
import { requiredParam } from '../../http/query.ts'
import { checkRegistrationToken } from '../uia.ts'

export const endpoint = defineEndpoint({
  method: 'GET',
  path: '/_matrix/client/v1/register/m.login.registration_token/validity',
  auth: 'none',
  rateLimit: 'registration',
  body: { kind: 'none' },
  handle: ({ config, query }) => {
    if (config.registration !== 'token') {
      throw new MatrixError('M_FORBIDDEN', 'This server does not use registration tokens.')
    }
    return { valid: checkRegistrationToken({ config }, requiredParam(query, 'token')) }
  },
})
