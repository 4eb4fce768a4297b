/**
 * What the parts of a user's actor share: who he is, his account and devices in memory, and the way to a decision. Each
 * concern (sessions, keys, account data …) is a file of its own that gets a `UserCore` and answers its kinds of request.
 */

import { MatrixError } from '#protocol/errors.ts'
import type { ServerName } from '#protocol/ids/server-name.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { JsonObject } from '#protocol/json/types.ts'
import type { LogKind } from '#storage/log-kinds.ts'
import type { Account } from '#storage/users/accounts.ts'
import type { Device } from '#storage/users/devices.ts'
import type { LogRef, WriteKind, WriteRows, Writes } from '#storage/writes.ts'
import type { Timer } from '../runtime/clock.ts'
import type { ActorContext, Caller, PendingEntry } from '../runtime/contract.ts'
import { SeenTransaction } from '../runtime/failures.ts'
import type { Fanout, FanoutKind } from './fanout.ts'
import type { UserMessages } from './messages.ts'

/** The part of a user's requests that one concern answers. */
export type UserHandlers<K extends keyof UserMessages> = {
  readonly [P in K]: (
    body: UserMessages[P]['request'],
    caller: Caller,
  ) => UserMessages[P]['reply'] | Promise<UserMessages[P]['reply']>
}

/** Milliseconds for which a cursor waits for another decision of the shard to take it along. */
const cursorDelayMs = 2000

/** Everything done: the reply of a request that only has an effect. */
export const nothing: Record<string, never> = Object.freeze({})

/** A decision in the making: rows, and what followers are told of them. */
export class Draft {
  readonly writes: Writes
  readonly entries: PendingEntry[] = []
  /** Rows that the user's rooms are told of after the commit. */
  readonly follows = new Map<FanoutKind, LogRef>()
  readonly #userId: UserId

  constructor(writes: Writes, userId: UserId) {
    this.writes = writes
    this.#userId = userId
  }

  /** Appends a row of the user's own log. */
  log(kind: LogKind, body: JsonObject, extra: { txnKey?: string; userShards?: string } = {}): LogRef {
    const ref = this.writes.append({ kind, userId: this.#userId, body: JSON.stringify(body), ...extra })
    this.entries.push({
      ref,
      kind,
      body,
      userId: this.#userId,
      roomId: undefined,
      roomNid: undefined,
      event: undefined,
      membership: undefined,
      prevMembership: undefined,
      stateRoot: undefined,
    })
    return ref
  }

  put<K extends WriteKind>(kind: K, row: WriteRows[K]): void {
    this.writes.put(kind, row)
  }

  /** The user's device list changes for everybody who shares a room with him, and for his own devices. */
  changeDeviceList(): void {
    this.follows.set('devices', this.log('userDevices', {}))
  }

  /** Fields of the profile change; what of them stands in member events is written there. */
  changeProfile(keys: readonly string[]): void {
    this.follows.set('profile', this.log('profile', { keys }))
  }
}

/**
 * Idempotency keys that the database has refused because they are in a log already. The refusal ends the activation; when the
 * request is repeated to the next one, it is known here. That holds under the epoch alone under which it was refused, for a database that
 * goes back loses the row as well. One for all users of a host, bounded.
 */
export class SeenKeys {
  /** The epoch of the user's shard by key. */
  readonly #epochs = new Map<string, number>()
  readonly #limit: number

  constructor(limit = 10_000) {
    this.#limit = limit
  }

  add(keys: readonly string[], epoch: number): void {
    for (const key of keys) this.#epochs.set(key, epoch)
    for (const key of this.#epochs.keys()) {
      if (this.#epochs.size <= this.#limit) break
      this.#epochs.delete(key)
    }
  }

  has(key: string, epoch: number): boolean {
    return this.#epochs.get(key) === epoch
  }
}

export class UserCore {
  readonly context: ActorContext
  readonly userId: UserId
  readonly serverName: ServerName
  /** Undefined until the user registers. */
  account: Account | undefined
  readonly devices: Map<string, Device>
  /**
   * Devices that may hold a refreshed pair of tokens beside the one before it: all whose tokens have not been looked at since
   * the actor was loaded, less those that have used their newest one.
   */
  readonly unconfirmed: Set<string>
  readonly #fanout: Fanout
  readonly #seen: SeenKeys
  #lastDecision: Promise<void> = Promise.resolve()
  #cursorTimer: Timer | undefined = undefined
  #jobs = 0

  constructor(options: {
    context: ActorContext
    userId: UserId
    serverName: ServerName
    account: Account | undefined
    devices: readonly Device[]
    fanout: Fanout
    seen: SeenKeys
  }) {
    this.#seen = options.seen
    this.#fanout = options.fanout
    this.context = options.context
    this.userId = options.userId
    this.serverName = options.serverName
    this.account = options.account
    this.devices = new Map(options.devices.map((device) => [device.deviceId, device]))
    this.unconfirmed = new Set(this.devices.keys())
  }

  /** The open account. Throws M_NOT_FOUND where there is none, M_USER_DEACTIVATED where it is closed. */
  openAccount(): Account {
    if (this.account === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such user.')
    if (this.account.deactivatedAt !== undefined) {
      throw new MatrixError('M_USER_DEACTIVATED', 'This account has been deactivated.')
    }
    return this.account
  }

  /**
   * Throws M_UNKNOWN_TOKEN for a device that has been logged out since its request was let in: nothing of it may outlive what ended it.
   * `undefined`: a gateway of an older version does not say which device asks.
   */
  checkLoggedIn(deviceId: string | undefined): void {
    if (deviceId === undefined || this.devices.has(deviceId)) return
    throw new MatrixError('M_UNKNOWN_TOKEN', 'This session has been logged out.')
  }

  /** One of the user's devices. Throws M_NOT_FOUND. */
  device(deviceId: string): Device {
    const device = this.devices.get(deviceId)
    if (device === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such device.')
    return device
  }

  draft(): Draft {
    return new Draft(this.context.writes(), this.userId)
  }

  /**
   * Hands a draft to the committer. The reply of the present turn waits for it by itself, so nobody needs to wait for the promise
   * that comes back; one that rejects has ended the activation.
   */
  decide(draft: Draft): Promise<void> {
    const { shard } = this.context
    for (const move of this.#fanout.takeCursorMoves(shard)) draft.put('cursor', move)
    const committed = this.context.decide({ writes: draft.writes, entries: draft.entries })
    committed.catch((error: unknown) => {
      if (error instanceof SeenTransaction) this.#seen.add(error.txnKeys, this.context.epoch)
    })
    this.#lastDecision = committed
    for (const [kind, at] of draft.follows) {
      const job = this.#fanout.follow(this.context, { kind, userId: this.userId, shard, at, committed })
      this.#jobs++
      void job.ended.then(() => {
        this.#jobs--
        this.#moveCursorLater()
      })
    }
    return committed
  }

  /** Whether a transaction with this key is known to have been committed. */
  wasSeen(txnKey: string): boolean {
    return this.#seen.has(txnKey, this.context.epoch)
  }

  /** Resolves when the rooms have what was decided before. */
  spread(): Promise<void> {
    return this.#fanout.settled(this.context.shard, this.userId)
  }

  /** Whether something of this activation is still on its way to the rooms, or its cursor to the database. */
  get isFollowed(): boolean {
    return this.#cursorTimer !== undefined || this.#jobs > 0
  }

  /** Without another decision that would take the cursor along, it is stored by itself. */
  #moveCursorLater(): void {
    if (this.#cursorTimer !== undefined || this.context.signal.aborted) return
    this.#cursorTimer = this.context.clock.after(cursorDelayMs, () => {
      this.#cursorTimer = undefined
      if (!this.context.signal.aborted) this.context.enqueue({ kind: 'moveCursor', body: {} })
    })
  }

  /**
   * Resolves when everything decided so far is in Postgres, so that a read sees it. For the rare turn that decides by what it reads
   * there instead of by what it holds.
   */
  settled(): Promise<void> {
    return this.#lastDecision
  }
}
