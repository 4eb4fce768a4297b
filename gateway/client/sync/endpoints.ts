/** Reading along: the endpoints of "Syncing". */

import type { AnyEndpoint } from '../../http/endpoint.ts'
import { endpoint as sync } from './sync.ts'

export const syncEndpoints: readonly AnyEndpoint[] = [sync]
