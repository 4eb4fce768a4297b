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
  /**
   * The owner of these shards has a new connection to the bus: replies that it had sent on the one before may be lost. Said
   * several times with the same number, which stands for the connection.
   */
  | { readonly kind: 'reconnected'; readonly shards: readonly number[]; readonly connection: number }
  /** A host has joined, drains, or has left: shares change. */
  | { readonly kind: 'hosts' }

/** Tells the others. May be lost. */
export function tellOwnership(bus: Bus, message: OwnershipMessage): void {
  bus.publish(ownershipSubject, { head: headOf(message) })
}

function headOf(message: OwnershipMessage): JsonValue {
  switch (message.kind) {
    case 'claimed':
      return { kind: 'claimed', shards: message.shards.map(({ shard, epoch }) => ({ shard, epoch })) }
    case 'released':
      return { kind: 'released', shards: message.shards }
    case 'reconnected':
      return { kind: 'reconnected', shards: message.shards, connection: message.connection }
    case 'hosts':
      return { kind: 'hosts' }
  }
}

/** Reads what another process said; undefined for what this version does not understand. */
export function parseOwnership(head: JsonValue): OwnershipMessage | undefined {
  if (!isJsonObject(head)) return undefined
  if (head['kind'] === 'hosts') return { kind: 'hosts' }
  const shards = head['shards']
  if (!Array.isArray(shards)) return undefined
  if (head['kind'] === 'released') return { kind: 'released', shards: shards.filter(isNatural) }
  if (head['kind'] === 'reconnected') {
    const { connection } = head
    return isNatural(connection)
      ? { kind: 'reconnected', shards: shards.filter(isNatural), connection }
      : undefined
  }
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
