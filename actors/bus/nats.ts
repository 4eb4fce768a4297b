/** Joins the bus between processes: the only file that knows the NATS client library. */

import { connect, createInbox, type TlsOptions } from '@nats-io/transport-node'
import { NatsBus } from './nats-bus.ts'
import type { NatsDial } from './nats-client.ts'
import { type NatsAddress, parseNatsUrl } from './nats-url.ts'
import type { Clock, Random } from '../runtime/clock.ts'

export interface NatsBusOptions {
  /** As in NATS_URL: `nats://user:password@host:port`, several separated by commas. */
  readonly url: string
  /** Name of this process in the server's monitoring. */
  readonly name: string
  /** Files for TLS, which a `tls://` URL or the server demands. Without them the authorities that the system trusts count. */
  readonly tls?: NatsTlsFiles
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
  /** When it is aborted the connection is given up at once and no other is made, and closing waits for nothing. */
  readonly cut?: AbortSignal | undefined
}

/** Paths of PEM files. */
export interface NatsTlsFiles {
  /** The authority that has signed the servers' certificates. */
  readonly caFile?: string | undefined
  /** A certificate of this process and its key, where the servers demand one. */
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

const mebibyte = 1024 * 1024
/** `nats-pulse.ts` pings by itself: it can tell a server that stands still from a process that did. */
const pingIntervalMs = 60_000

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
    dial: dialler(address, options),
    inbox: createInbox(inboxPrefix(address)),
  })
  await bus.start()
  return bus
}

/**
 * Whoever has a user of his own gets inboxes that bear its name, so that `nats.conf` can keep a gateway from reading or
 * forging the replies to hosts.
 */
function inboxPrefix({ user }: NatsAddress): string {
  return user !== undefined && /^[A-Za-z0-9_-]+$/.test(user) ? `_INBOX_${user}` : '_INBOX'
}

/**
 * How one connection to one server is made. The client's own reconnection stays off, for it would queue what is sent
 * meanwhile; `nats-link.ts` makes the next connection.
 */
function dialler(address: NatsAddress, { name, tls = {} }: NatsBusOptions): NatsDial {
  const files = Object.fromEntries(Object.entries(tls).filter(([, path]) => path !== undefined))
  const wantsTls = address.tls || Object.keys(files).length > 0
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
      ...(address.user === undefined ? {} : { user: address.user }),
      ...(address.pass === undefined ? {} : { pass: address.pass }),
      ...(address.token === undefined ? {} : { token: address.token }),
      // All of it goes to the handshake. Without `host` a certificate for an IP address would be compared with `localhost`.
      ...(wantsTls ? { tls: { ...files, host: hostOf(server) } as TlsOptions } : {}),
    })
}

/** The host of `host:port`, an IPv6 address without its brackets. */
function hostOf(server: string): string {
  return server.slice(0, server.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1')
}
