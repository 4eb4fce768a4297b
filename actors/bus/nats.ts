/** Joins the bus between processes: the only file that knows the NATS client library. */

import { connect, createInbox } from '@nats-io/transport-node'
import { NatsBus } from './nats-bus.ts'
import type { NatsDial } from './nats-client.ts'
import { type NatsAddress, parseNatsUrl } from './nats-url.ts'
import type { Clock, Random } from '../runtime/clock.ts'

export interface NatsBusOptions {
  /** As in NATS_URL: `nats://user:password@host:port`, several separated by commas. */
  readonly url: string
  /** Name of this process in the server's monitoring. */
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  /** How long `connectNatsBus` waits for the first connection, milliseconds. Default 5,000. */
  readonly waitMs?: number
  /** Largest request, reply or publication, sent or received, bytes. Default 32 MiB. */
  readonly maxMessageBytes?: number
  /** Most requests of one subject under way here. Default 10,000: a waiting sync is one. */
  readonly maxRequests?: number
  /** Most bytes sent and not yet taken by the server. Default 64 MiB. */
  readonly maxUnconfirmedBytes?: number
  /** How long closing waits for requests under way, milliseconds. Default 5,000. */
  readonly drainMs?: number
}

const mebibyte = 1024 * 1024
/** A server that answers none of three pings is given up after about four seconds. */
const pingIntervalMs = 1_000
const maxPingsOut = 3

/**
 * Joins a NATS cluster. Resolves when connected or after `waitMs`, whichever comes first; in the second case the bus is not
 * `healthy`, every request to others fails with `disconnected`, and it goes on trying. Why it cannot connect is told as a
 * `connect-failed` fact. Throws `TypeError` for a URL that cannot be read.
 */
export async function connectNatsBus(options: NatsBusOptions): Promise<NatsBus> {
  const address = parseNatsUrl(options.url)
  const bus = new NatsBus({
    waitMs: 5_000,
    maxMessageBytes: 32 * mebibyte,
    maxRequests: 10_000,
    maxUnconfirmedBytes: 64 * mebibyte,
    drainMs: 5_000,
    ...options,
    address,
    dial: dialler(address, options.name),
    inbox: createInbox(),
  })
  await bus.start()
  return bus
}

/**
 * How one connection to one server is made. The client's own reconnection stays off, for it would queue what is sent
 * meanwhile; `nats-link.ts` makes the next connection.
 */
function dialler(address: NatsAddress, name: string): NatsDial {
  return (server, timeoutMs) =>
    connect({
      servers: [server],
      name,
      timeout: timeoutMs,
      noEcho: true,
      reconnect: false,
      ignoreClusterUpdates: true,
      noAsyncTraces: true,
      pingInterval: pingIntervalMs,
      maxPingOut: maxPingsOut,
      ...(address.user === undefined ? {} : { user: address.user }),
      ...(address.pass === undefined ? {} : { pass: address.pass }),
      ...(address.token === undefined ? {} : { token: address.token }),
      ...(address.tls ? { tls: {} } : {}),
    })
}
