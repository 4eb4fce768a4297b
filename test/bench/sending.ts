/** Sending messages: one at a time on a connection, or from a pool that grows when replies are late. */

import { HttpConnection, requestText, type OnReply, type Reply } from './http-connection.ts'
import { messageText, type Sender } from './workloads.ts'

/** Beyond so many requests under way, the next one fails: the server has long been overrun. */
const connectionsMax = 2000
/** Between two readings of the clock that are worth no more than waiting; above, a timer does. */
const spinMs = 2
const spinRateMax = 200

let nextTransaction = 0
const run = process.pid.toString(36) + Date.now().toString(36)

/** The request that sends message `number`, with a transaction id of its own. */
export function sendRequest(sender: Sender, number: number): string {
  const room = encodeURIComponent(sender.roomId)
  const path = `/_matrix/client/v3/rooms/${room}/send/m.room.message/${run}.${nextTransaction++}`
  return requestText('PUT', path, sender.token, `{"msgtype":"m.text","body":"${messageText(number)}"}`)
}

/** The request that marks the message of that reply as read. */
export function receiptRequest(sender: Sender, sent: Reply): string {
  const eventId = /"event_id":"([^"]+)"/.exec(sent.body.toString('latin1'))?.[1] ?? ''
  const room = encodeURIComponent(sender.roomId)
  const path = `/_matrix/client/v3/rooms/${room}/receipt/m.read/${encodeURIComponent(eventId)}`
  return requestText('POST', path, sender.token, '{}')
}

/** Connections of which each request takes a free one, or a new one. */
export class Pool {
  readonly #port: number
  readonly #free: HttpConnection[] = []
  readonly #all: HttpConnection[] = []

  constructor(port: number) {
    this.#port = port
  }

  send(request: string, onReply: OnReply): void {
    const connection = this.#free.pop() ?? this.#open()
    if (connection === undefined) {
      onReply(new Error(`${connectionsMax} requests are under way`))
      return
    }
    connection.send(request, (reply) => {
      if (!connection.isBroken) this.#free.push(connection)
      onReply(reply)
    })
  }

  close(): void {
    for (const connection of this.#all) connection.close()
  }

  #open(): HttpConnection | undefined {
    if (this.#all.length >= connectionsMax) return undefined
    const connection = new HttpConnection(this.#port)
    this.#all.push(connection)
    return connection
  }
}

/** Numbers from 0 to 1 that follow from a seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface Offer {
  /** Arrivals in a second, on average. */
  readonly rate: number
  readonly durationMs: number
  readonly random: () => number
}

/**
 * Calls `fire` at the times of a Poisson process, with the time that was meant (`performance.now`). At low rates the last
 * milliseconds before an arrival are spent looking at the clock, since a timer may be a millisecond late.
 */
export function offer(options: Offer, fire: (scheduledAt: number) => void): Promise<void> {
  const { rate, durationMs, random } = options
  const end = performance.now() + durationMs
  const gap = (): number => (-Math.log(1 - random()) * 1000) / rate
  let next = performance.now() + gap()
  return new Promise((resolve) => {
    const step = (): void => {
      const now = performance.now()
      while (next <= now && next < end) {
        fire(next)
        next += gap()
      }
      if (next >= end) {
        resolve()
        return
      }
      const wait = next - performance.now()
      if (rate > spinRateMax) setTimeout(step, Math.max(0, wait))
      else if (wait > spinMs) setTimeout(step, wait - spinMs)
      else setImmediate(step)
    }
    step()
  })
}
