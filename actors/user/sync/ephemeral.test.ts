import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReceiptBody } from './delta.ts'
import { receiptEvent } from './ephemeral.ts'

function receipt(eventId: string, threadId: string, ts: number): ReceiptBody {
  return { userId: '@a:b', receiptType: 'm.read', threadId, eventId, ts, eventPos: 1 }
}

function contentOf(receipts: readonly ReceiptBody[]): unknown {
  return JSON.parse(receiptEvent(receipts) ?? '{}').content
}

test('of two receipts of a user at one event the unthreaded one is told, whichever came first', () => {
  const unthreaded = receipt('$e', '', 1)
  const threaded = receipt('$e', '$root', 2)
  const told = { $e: { 'm.read': { '@a:b': { ts: 1 } } } }
  assert.deepEqual(contentOf([unthreaded, threaded]), told)
  assert.deepEqual(contentOf([threaded, unthreaded]), told)
})

test('receipts at different events are all told, and no receipts make no event', () => {
  const content = contentOf([receipt('$e', 'main', 1), receipt('$f', '', 2)])
  assert.deepEqual(content, {
    $e: { 'm.read': { '@a:b': { ts: 1, thread_id: 'main' } } },
    $f: { 'm.read': { '@a:b': { ts: 2 } } },
  })
  assert.equal(receiptEvent([]), undefined)
})
