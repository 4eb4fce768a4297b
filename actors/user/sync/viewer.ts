/** Who asks, and what is his to see whatever the room. */

import type { UserId } from '#protocol/ids/user-id.ts'
import type { CompiledRuleset } from '#protocol/push/evaluate.ts'
import type { CompiledFilter } from './request.ts'

export interface Viewer {
  readonly userId: UserId
  readonly deviceId: string
  readonly deviceKey: string
  readonly ignored: ReadonlySet<string>
  readonly rules: CompiledRuleset
  readonly filter: CompiledFilter
}

/** Names a device among all devices. */
export function deviceKeyOf(userId: string, deviceId: string): string {
  return `${userId} ${deviceId}`
}
