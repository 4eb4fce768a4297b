import { txnKey } from '#storage/txn-key.ts'
import type { ClientTxn } from './append.ts'
import type { RoomCore } from './core.ts'

/** The transaction of a request, with its idempotency key. */
export function clientTxn(
  room: RoomCore,
  endpoint: 'send' | 'redact',
  request: { sender: string; deviceId: string; txnId: string },
): ClientTxn {
  const { sender, deviceId, txnId } = request
  return { deviceId, txnId, key: txnKey({ endpoint, roomId: room.roomId, userId: sender, deviceId }, txnId) }
}
