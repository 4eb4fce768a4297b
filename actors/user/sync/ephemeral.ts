/** Receipts and typing as the events that clients know. */

import type { ReceiptBody } from './delta.ts'

interface ToldReceipt {
  readonly ts: number
  readonly thread_id?: string
}

/**
 * The `m.receipt` event of these receipts, or undefined for none. Client-server API v1.19, "Receipts". It has room for one receipt of a
 * user at an event: the unthreaded one, which says more than any other (MSC4102).
 */
export function receiptEvent(receipts: readonly ReceiptBody[]): string | undefined {
  if (receipts.length === 0) return undefined
  const content = new Map<string, Map<string, Map<string, ToldReceipt>>>()
  for (const { eventId, receiptType, threadId, ts, userId } of receipts) {
    const users = content
      .getOrInsertComputed(eventId, () => new Map<string, Map<string, ToldReceipt>>())
      .getOrInsertComputed(receiptType, () => new Map<string, ToldReceipt>())
    const told = users.get(userId)
    if (threadId !== '' && told !== undefined && told.thread_id === undefined) continue
    users.set(userId, threadId === '' ? { ts } : { ts, thread_id: threadId })
  }
  const plain = Array.from(content, ([eventId, types]) => [
    eventId,
    Object.fromEntries(Array.from(types, ([type, users]) => [type, Object.fromEntries(users)])),
  ])
  return `{"content":${JSON.stringify(Object.fromEntries(plain))},"type":"m.receipt"}`
}

/** The `m.typing` event that says who is typing now. */
export function typingEvent(userIds: readonly string[]): string {
  return `{"content":{"user_ids":${JSON.stringify(userIds)}},"type":"m.typing"}`
}
