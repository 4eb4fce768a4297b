/** Services beside the messages: OpenID tokens and credentials for calls. */

import type { AnyEndpoint } from '../../http/endpoint.ts'
import { endpoint as openIdToken } from './openid-token.ts'
import { endpoint as turnServer } from './turn-server.ts'

export const serviceEndpoints: readonly AnyEndpoint[] = [openIdToken, turnServer]
