/**
 * PUT /_matrix/client/v3/sendToDevice/{eventType}/{txnId}
 * https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3sendtodeviceeventtypetxnid
 */

import { z } from 'zod'
import { MatrixError } from '#protocol/errors.ts'
import { isUserId, serverOf } from '#protocol/ids/user-id.ts'
import { utf8Bytes } from '#protocol/json/limits.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import { txnKey } from '#storage/txn-key.ts'
import { anyJsonObject } from '../../http/body.ts'
import { defineEndpoint, type Requester, type RequestContext } from '../../http/endpoint.ts'

/** The greatest size of one message's content as JSON, bytes. */
const maxContentBytes = 65_536

/** The most users that one request may address. */
const maxUsers = 5000

type Messages = Record<string, Record<string, JsonObject>>
type Context = RequestContext<{ messages: Messages }, Requester>

export const endpoint = defineEndpoint({
  method: 'PUT',
  path: [
    '/_matrix/client/v3/sendToDevice/:eventType/:txnId',
    '/_matrix/client/r0/sendToDevice/:eventType/:txnId',
  ],
  auth: 'user',
  rateLimit: 'message',
  body: {
    kind: 'json',
    maxBytes: 8 * 1024 * 1024,
    schema: z.looseObject({ messages: z.record(z.string(), z.record(z.string(), anyJsonObject)) }),
  },
  handle: async (context) => {
    const { body, config } = context
    const receivers = Object.entries(body.messages)
    if (receivers.length > maxUsers) {
      throw new MatrixError('M_TOO_LARGE', `Send to at most ${maxUsers} users at once.`)
    }
    for (const [, devices] of receivers) checkSizes(devices)
    // This server reaches no other: messages to users elsewhere go nowhere, as they do when a server is down for good.
    const local = receivers.filter(([userId]) => isUserId(userId) && serverOf(userId) === config.serverName)
    await Promise.all(local.map(([userId, messages]) => deliver(context, userId, messages)))
    return {}
  },
})

function checkSizes(devices: Readonly<Record<string, JsonObject>>): void {
  for (const content of Object.values(devices)) {
    if (utf8Bytes(JSON.stringify(content)) <= maxContentBytes) continue
    throw new MatrixError('M_TOO_LARGE', `The content of a message has at most ${maxContentBytes} bytes.`)
  }
}

/** Hands the messages to one user's actor, once for a transaction id. A user who is not there gets none. */
async function deliver(
  { ask, params, requester, traceId }: Context,
  userId: string,
  messages: Record<string, JsonObject>,
): Promise<void> {
  const scope = { roomId: userId, userId: requester.userId, deviceId: requester.deviceId }
  const request = {
    sender: requester.userId,
    type: params['eventType'] ?? '',
    txnKey: txnKey(scope, `${params['eventType'] ?? ''} ${params['txnId'] ?? ''}`),
    messages,
  }
  try {
    await ask.ask('user', userId, 'deliver', request, { traceId })
  } catch (error) {
    if (
      error instanceof MatrixError &&
      (error.errcode === 'M_NOT_FOUND' || error.errcode === 'M_USER_DEACTIVATED')
    ) {
      return
    }
    throw error
  }
}
