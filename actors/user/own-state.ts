/**
 * What a user's sync needs to know of the user himself. Kept by the user's actor, which is the only writer of it; loaded from
 * Postgres when first asked for.
 */

import type { CompiledRuleset } from '#protocol/push/evaluate.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import type { Succession } from '#protocol/push/succession.ts'

export interface AccountDataItem {
  readonly type: string
  /** As clients see it: push rules are merged with the defaults already. */
  readonly content: JsonObject
  /** Position in the user's shard of the last change; 0 for what was never changed (default push rules). */
  readonly pos: number
}

export interface KeyCounts {
  readonly counts: Readonly<Record<string, number>>
  readonly unusedFallback: readonly string[]
}

export interface ToDevicePage {
  /** JSON texts of messages, ascending. */
  readonly messages: readonly string[]
  /** Position of the last one included; the `after` of the call if there is none. */
  readonly upTo: number
  readonly more: boolean
}

export interface OwnState {
  /** Global account data for `''`, else that of a room. */
  accountData(roomId: string): Promise<readonly AccountDataItem[]>
  /** Rooms that have account data changed after a position, and those items. */
  accountDataAfter(pos: number): Promise<readonly (AccountDataItem & { readonly roomId: string })[]>
  ignoredUsers(): Promise<ReadonlySet<string>>
  pushRules(): Promise<CompiledRuleset>
  keyCounts(deviceId: string): Promise<KeyCounts>
  /** Committed messages after a position, at most `limit`. Answers without Postgres when there are none. */
  toDevice(deviceId: string, after: number, limit: number): Promise<ToDevicePage>
  /** Deletes what the device has shown that it has: at or before `pos`. Not awaited by anybody. */
  acknowledgeToDevice(deviceId: string, pos: number): void
  /** He is in these rooms: what he has set for the rooms that they replace is carried over, unless it was. Not awaited by anybody. */
  carryOver(successions: readonly Succession[]): void
}
