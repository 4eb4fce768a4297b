/** A person with a real client: matrix-js-sdk with its Rust crypto, on real sockets. */

import assert from 'node:assert/strict'
import {
  ClientEvent,
  createClient,
  type ICreateClientOpts,
  type MatrixClient,
  type MatrixEvent,
  MatrixEventEvent,
  PendingEventOrdering,
  RoomEvent,
  SyncState,
} from 'matrix-js-sdk'
import { type Logger, logger } from 'matrix-js-sdk/lib/logger.js'
import { login, register, type MatrixUser } from '../support/matrix.ts'

const say = (): void => {}

/** The library talks a lot; a test that fails says what it was waiting for instead. */
const silent: Logger = { trace: say, debug: say, info: say, warn: say, error: say, getChild: () => silent }

/** Some of it goes to a logger of the whole library, which is one of the package loglevel. */
function silenceLibrary(): void {
  // The cast says what the library's type leaves out.
  const shared = logger as unknown as { setLevel(level: string, persist: boolean): void }
  shared.setLevel('silent', false)
}

/** The library leaves behind each request a timer of one or two minutes, by which it would have been given up. */
const longMs = 30_000

/** None of these timers is to keep the process of a test that has ended. */
function letGoOfLongTimers(): void {
  const { setTimeout: original } = globalThis
  const lettingGo = (
    run: (...values: unknown[]) => void,
    ms?: number,
    ...values: unknown[]
  ): NodeJS.Timeout => {
    const timer = original(run, ms, ...values)
    return (ms ?? 0) >= longMs ? timer.unref() : timer
  }
  globalThis.setTimeout = Object.assign(lettingGo, original)
}
letGoOfLongTimers()

export interface Person extends AsyncDisposable {
  readonly name: string
  readonly client: MatrixClient
  readonly session: MatrixUser
  /** Keeps a secret-storage key as an app on this device would. */
  readonly secrets: Map<string, Uint8Array<ArrayBuffer>>
}

export interface PersonOptions {
  /** The gateway that this client talks to. */
  readonly url: string
  readonly name: string
  readonly password?: string
  /** Log in again instead of registering. */
  readonly existing?: string
}

/** Registers (or logs in), starts crypto and syncs until prepared. */
export async function startPerson(options: PersonOptions): Promise<Person> {
  silenceLibrary()
  const session =
    options.existing === undefined
      ? await register(options.url, options.name, options.password)
      : await login(options.url, options.existing, options.password)
  const secrets = new Map<string, Uint8Array<ArrayBuffer>>()
  const clientOptions: ICreateClientOpts = {
    baseUrl: options.url,
    userId: session.userId,
    deviceId: session.deviceId,
    accessToken: session.token,
    logger: silent,
    cryptoCallbacks: {
      getSecretStorageKey: ({ keys }) => {
        const id = Object.keys(keys).find((key) => secrets.has(key))
        const key = id === undefined ? undefined : secrets.get(id)
        return Promise.resolve(id === undefined || key === undefined ? null : [id, key])
      },
      cacheSecretStorageKey: (id, _info, key) => void secrets.set(id, key),
    },
  }
  const client = createClient(clientOptions)
  await client.initRustCrypto({ useIndexedDB: false })
  const prepared = within(15_000, `${options.name} to be prepared`, (done) => {
    client.on(ClientEvent.Sync, (state) => {
      if (state === SyncState.Prepared || state === SyncState.Syncing) done()
    })
  })
  await client.startClient({ initialSyncLimit: 50, pendingEventOrdering: PendingEventOrdering.Detached })
  await prepared
  return {
    name: options.name,
    client,
    session,
    secrets,
    [Symbol.asyncDispose]: () => {
      client.stopClient()
      return Promise.resolve()
    },
  }
}

/** Waits for a callback, but not for ever. */
export function within<T = void>(
  limitMs: number,
  what: string,
  start: (done: (value: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`waited ${limitMs} ms in vain for ${what}`)), limitMs)
    start((value) => {
      clearTimeout(timer)
      resolve(value)
    })
  })
}

/** Waits until a condition over what the client knows is true; looked at whenever the client learns something. */
export async function until(
  person: Person,
  what: string,
  condition: () => boolean,
  limitMs = 20_000,
): Promise<void> {
  if (condition()) return
  const { client } = person
  let check: () => void = () => undefined
  try {
    await within(limitMs, `${person.name}: ${what}`, (done) => {
      check = () => {
        if (condition()) done()
      }
      client.on(ClientEvent.Event, check)
      client.on(ClientEvent.Sync, check)
      client.on(MatrixEventEvent.Decrypted, check)
      client.on(RoomEvent.Receipt, check)
      client.on(RoomEvent.Timeline, check)
      check()
    })
  } finally {
    client.off(ClientEvent.Event, check)
    client.off(ClientEvent.Sync, check)
    client.off(MatrixEventEvent.Decrypted, check)
    client.off(RoomEvent.Receipt, check)
    client.off(RoomEvent.Timeline, check)
  }
}

/** The room's live timeline as this client has it. */
export function timeline(person: Person, roomId: string): readonly MatrixEvent[] {
  const room = person.client.getRoom(roomId)
  return room === null ? [] : room.getLiveTimeline().getEvents()
}

/** Bodies of the messages that this client could decrypt, in the order in which it shows them. */
export function bodies(person: Person, roomId: string): string[] {
  return timeline(person, roomId)
    .filter((event) => event.getType() === 'm.room.message' && event.getContent()['msgtype'] === 'm.text')
    .map((event) => String(event.getContent()['body']))
}

/** The room must exist for this client. */
export function roomOf(person: Person, roomId: string): NonNullable<ReturnType<MatrixClient['getRoom']>> {
  const room = person.client.getRoom(roomId)
  assert.ok(room !== null, `${person.name} does not know the room`)
  return room
}
