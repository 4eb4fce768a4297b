/** Server-side key backups. */

import type { AnyEndpoint } from '../../http/endpoint.ts'
import { allKeyEndpoints } from './all-keys.ts'
import { roomKeyEndpoints } from './room-keys.ts'
import { sessionKeyEndpoints } from './session-keys.ts'
import { backupVersionEndpoints } from './versions.ts'

export const keyBackupEndpoints: readonly AnyEndpoint[] = [
  ...backupVersionEndpoints,
  ...allKeyEndpoints,
  ...roomKeyEndpoints,
  ...sessionKeyEndpoints,
]
