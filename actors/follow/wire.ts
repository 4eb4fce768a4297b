/**
 * What the owner of a shard and the hosts that follow it say to each other. Requests go to `shardSubject`, what follows from
 * them to `hostSubject`. A program that meets a kind that it does not know passes it over, and the chain shows that something is missing.
 */

import { parseJson } from '#protocol/json/parse.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '#protocol/json/types.ts'
import type { LogEntry } from '#storage/entry.ts'
import type { BusMessage } from '../bus/bus.ts'
import type { EphemeralEvent } from '../runtime/contract.ts'

/** What a host wants of a shard from now on: it replaces what the host wanted before. */
export interface FollowRequest {
  readonly hostId: string
  /** Chosen by the host whenever it begins anew; messages of an older chain are void. */
  readonly chain: number
  /** Counts the requests of a host: one that arrives after a later one says what was wanted before, and is passed over. */
  readonly number: number
  readonly rooms: readonly string[]
  /** Shards that the host owns: rows that concern a user of them are wanted whatever the room. */
  readonly userShards: readonly number[]
}

export interface FollowReply {
  readonly epoch: number
  /** From which position on the newly wanted rows are sent; for a new chain also the `prev` of its first message. */
  readonly from: number
  /** Whether the owner knew the chain and goes on with it. */
  readonly resumed: boolean
  /** Who is typing in the rooms wanted, where somebody is. */
  readonly typing: Readonly<Record<string, readonly string[]>>
  /** So often typing had changed in the shard under this epoch; an older version does not say. */
  readonly typed: number | undefined
}

/** When an owner said who types: changes of typing are counted under each epoch. What comes late says what was before. */
export interface TypingMoment {
  readonly epoch: number
  readonly typed: number
}

/** Whether something that may come later was said before. What does not say when is believed. */
export function isSaidBefore(said: TypingMoment | undefined, known: TypingMoment | undefined): boolean {
  if (said === undefined || known === undefined) return false
  return said.epoch < known.epoch || (said.epoch === known.epoch && said.typed < known.typed)
}

/** What was committed in a shard after `prev` up to `to`, as far as the host wants it. */
export interface ChainMessage {
  readonly shard: number
  readonly epoch: number
  readonly chain: number
  readonly prev: number
  readonly to: number
  readonly entries: readonly LogEntry[]
}

export type HostMessage =
  | { readonly kind: 'entries'; readonly message: ChainMessage }
  | { readonly kind: 'ephemeral'; readonly event: EphemeralEvent; readonly at: TypingMoment | undefined }

export function followRequest(request: FollowRequest): BusMessage {
  return { head: { kind: 'follow', ...request } as unknown as JsonValue }
}

/** Undefined for what is no follow request. */
export function readFollowRequest(message: BusMessage): FollowRequest | undefined {
  const { head } = message
  if (!isJsonObject(head) || head['kind'] !== 'follow') return undefined
  // An older version does not count its requests.
  const { hostId, chain, number = 0, rooms, userShards } = head
  if (typeof hostId !== 'string' || typeof chain !== 'number' || typeof number !== 'number') return undefined
  if (!isListOf(rooms, 'string') || !isListOf(userShards, 'number')) return undefined
  return {
    hostId,
    chain,
    number,
    rooms: rooms as readonly string[],
    userShards: userShards as readonly number[],
  }
}

export function followReply(reply: FollowReply): BusMessage {
  return { head: { ...reply } as unknown as JsonValue }
}

/** Undefined for what is no reply to a follow request. */
export function readFollowReply(message: BusMessage): FollowReply | undefined {
  const { head } = message
  if (!isJsonObject(head)) return undefined
  const { epoch, from, resumed, typing, typed } = head
  if (typeof epoch !== 'number' || typeof from !== 'number' || typeof resumed !== 'boolean') return undefined
  if (!isJsonObject(typing)) return undefined
  // The cast states what the owner, a program of ours, has put there.
  return {
    epoch,
    from,
    resumed,
    typing: typing as unknown as Record<string, readonly string[]>,
    typed: typeof typed === 'number' ? typed : undefined,
  }
}

/** Entries travel as the body, so that the head stays small. */
export function entriesMessage(message: ChainMessage): BusMessage {
  const { shard, epoch, chain, prev, to, entries } = message
  return {
    head: { kind: 'entries', shard, epoch, chain, prev, to },
    body: entries.length === 0 ? '[]' : JSON.stringify(entries),
  }
}

export function ephemeralMessage(event: EphemeralEvent, at: TypingMoment): BusMessage {
  return { head: { kind: 'ephemeral', event: { ...event } as unknown as JsonValue, ...at } }
}

/** Undefined for what this program does not know: the chain then shows that something is missing. */
export function readHostMessage(message: BusMessage): HostMessage | undefined {
  const { head } = message
  if (!isJsonObject(head)) return undefined
  switch (head['kind']) {
    case 'entries':
      return readEntries(head, message.body)
    case 'ephemeral':
      return readEphemeral(head)
    default:
      return undefined
  }
}

function readEntries(head: JsonObject, body: BusMessage['body']): HostMessage | undefined {
  const { shard, epoch, chain, prev, to } = head
  if (typeof shard !== 'number' || typeof epoch !== 'number' || typeof chain !== 'number') return undefined
  if (typeof prev !== 'number' || typeof to !== 'number' || body === undefined) return undefined
  const entries: unknown = parseJson(typeof body === 'string' ? body : Buffer.from(body).toString('utf8'))
  if (!Array.isArray(entries) || !entries.every(isEntry)) return undefined
  return { kind: 'entries', message: { shard, epoch, chain, prev, to, entries } }
}

function readEphemeral({ event, epoch, typed }: JsonObject): HostMessage | undefined {
  if (!isJsonObject(event)) return undefined
  const { roomId, type, userIds } = event
  if (typeof roomId !== 'string' || type !== 'm.typing' || !isListOf(userIds, 'string')) return undefined
  const at = typeof epoch === 'number' && typeof typed === 'number' ? { epoch, typed } : undefined
  return { kind: 'ephemeral', event: { roomId, type, userIds: userIds as readonly string[] }, at }
}

function isEntry(value: unknown): value is LogEntry {
  return isJsonObject(value) && typeof value['pos'] === 'number' && typeof value['kind'] === 'string'
}

function isListOf(value: JsonValue | undefined, type: 'string' | 'number'): boolean {
  return Array.isArray(value) && value.every((item: JsonValue) => typeof item === type)
}
