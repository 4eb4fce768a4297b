/** Account data, tags, filters and push rules. */

import type { AnyEndpoint } from '../../http/endpoint.ts'
import { endpoint as deleteTag } from './delete-tag.ts'
import { endpoint as getAccountData } from './get-account-data.ts'
import { endpoint as getFilter } from './get-filter.ts'
import * as getPushRule from './get-push-rule.ts'
import * as getPushRules from './get-push-rules.ts'
import { endpoint as getRoomAccountData } from './get-room-account-data.ts'
import { endpoint as getTags } from './get-tags.ts'
import { endpoint as postFilter } from './post-filter.ts'
import { endpoint as putAccountData } from './put-account-data.ts'
import * as putPushRule from './put-push-rule.ts'
import { endpoint as putRoomAccountData } from './put-room-account-data.ts'
import { endpoint as putTag } from './put-tag.ts'

export const settingsEndpoints: readonly AnyEndpoint[] = [
  getAccountData,
  putAccountData,
  getRoomAccountData,
  putRoomAccountData,
  getTags,
  putTag,
  deleteTag,
  postFilter,
  getFilter,
  getPushRules.endpoint,
  getPushRules.globalEndpoint,
  getPushRule.endpoint,
  getPushRule.enabledEndpoint,
  getPushRule.actionsEndpoint,
  putPushRule.endpoint,
  putPushRule.deleteEndpoint,
  putPushRule.enabledEndpoint,
  putPushRule.actionsEndpoint,
]
