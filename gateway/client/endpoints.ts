/**
 * All endpoints of the client-server API. An endpoint that does not stand here does not exist, and its path is answered
 * M_UNRECOGNIZED.
 */

import type { AnyEndpoint } from '../http/endpoint.ts'
import { accountEndpoints } from './account/endpoints.ts'
import { deviceEndpoints } from './devices/endpoints.ts'
import { endpoint as capabilities } from './discovery/capabilities.ts'
import { endpoint as versions } from './discovery/versions.ts'
import { endpoint as wellKnownClient } from './discovery/well-known-client.ts'
import { keyBackupEndpoints } from './key-backup/endpoints.ts'
import { keyEndpoints } from './keys/endpoints.ts'
import { mediaEndpoints } from './media/endpoints.ts'
import { profileEndpoints } from './profile/endpoints.ts'
import { roomEndpoints } from './rooms/endpoints.ts'
import { serviceEndpoints } from './services/endpoints.ts'
import { settingsEndpoints } from './settings/endpoints.ts'
import { syncEndpoints } from './sync/endpoints.ts'

export const clientEndpoints: readonly AnyEndpoint[] = [
  versions,
  capabilities,
  wellKnownClient,
  ...accountEndpoints,
  ...deviceEndpoints,
  ...settingsEndpoints,
  ...profileEndpoints,
  ...keyEndpoints,
  ...keyBackupEndpoints,
  ...mediaEndpoints,
  ...serviceEndpoints,
  ...roomEndpoints,
  ...syncEndpoints,
]
