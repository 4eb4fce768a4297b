/**
 * The idempotency key of a client's transaction: unique over the database for ever (`log.txn_key`). It is a hash, so that it has one
 * size whatever a client chose as its transaction id.
 */

import { hash } from 'node:crypto'

/** What a transaction id belongs to. Client-server API v1.19, "Transaction identifiers": the device and the endpoint. */
export interface TxnScope {
  /** One word for the endpoint; absent: `send`. */
  readonly endpoint?: string
  readonly roomId: string
  readonly userId: string
  readonly deviceId: string
}

const keyBytes = 16

/** The key as 22 characters of base64url. Its parts are length-prefixed, so that no two transactions share one text. */
export function txnKey(scope: TxnScope, txnId: string): string {
  const text =
    part(scope.endpoint ?? 'send') +
    part(scope.roomId) +
    part(scope.userId) +
    part(scope.deviceId) +
    part(txnId)
  return hash('sha256', text, 'buffer').toString('base64url', 0, keyBytes)
}

function part(text: string): string {
  return `${text.length}:${text}`
}
