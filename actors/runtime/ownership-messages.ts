/** What hosts tell each other on `ownershipSubject`. Only hints: the truth is read from Postgres. */

import type { JsonValue } from '#protocol/json/types.ts'
import { isJsonObject } from '#protocol/json/types.ts'
import type { Bus } from '../bus/bus.ts'
import { ownershipSubject } from '../bus/subjects.ts'
import type { Claim } from './cluster-store.ts'

export type OwnershipMessage =
  /** These shards have a new owner, who serves them already. */
  | { readonly kind: 'claimed'; readonly shards: readonly Claim[] }
  /** These shards have no owner now. */
  | { readonly kind: 'released'; readonly shards: readonly number[] }
  /** A host has joined, drains, or has left: shares change. */
  | { readonly kind: 'hosts' }

/** Tells the others. May be lost. */
export function tellOwnership(bus: Bus, message: OwnershipMessage): void {
  const head: JsonValue =
    message.kind === 'claimed'
      ? { kind: 'claimed', shards: message.shards.map(({ shard, epoch }) => ({ shard, epoch })) }
      : message.kind === 'released'
        ? { kind: 'released', shards: message.shards }
        : { kind: 'hosts' }
  bus.publish(ownershipSubject, { head })
}

/** Reads what another process said; undefined for what this version does not understand. */
export function parseOwnership(head: JsonValue): OwnershipMessage | undefined {
  if (!isJsonObject(head)) return undefined
  if (head['kind'] === 'hosts') return { kind: 'hosts' }
  const shards = head['shards']
  if (!Array.isArray(shards)) return undefined
  if (head['kind'] === 'released') return { kind: 'released', shards: shards.filter(isNatural) }
  if (head['kind'] !== 'claimed') return undefined
  const claims: Claim[] = []
  for (const value of shards as readonly JsonValue[]) {
    if (!isJsonObject(value)) continue
    const { shard, epoch } = value
    if (isNatural(shard) && isNatural(epoch)) claims.push({ shard, epoch })
  }
  return { kind: 'claimed', shards: claims }
}

function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
