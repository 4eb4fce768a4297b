/**
 * What follows in rooms from a change in a user's own shard: a changed device list becomes a row of each of his rooms, a changed
 * profile is written into his member events, a closed account leaves (DESIGN.md §4 "Device lists", §8).
 *
 * The user's log row is the truth: whatever lies after the shard's cursor has yet to be told. A job is a row on its way; it ends
 * when every room has answered. The cursor stands before the first job that has not ended, and moves in a later
 * transaction of the shard. Whoever claims a shard begins with what its log holds after the cursor. Rooms drop what they had by
 * (shard, position), so telling twice is harmless.
 *
 *   decided ─► committed ─► told to all rooms ─► ended
 *      │           └─ shard lost: the next owner finds it after the cursor
 *      └─ refused: forgotten
 */

import { MatrixError } from '#protocol/errors.ts'
import type { RoomId } from '#protocol/ids/room-id.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { Membership } from '#storage/log-kinds.ts'
import type { Reads } from '#storage/reads.ts'
import { readFollowBacklogs, readFollowRows, type FollowBacklog } from '#storage/users/following.ts'
import { readAccount } from '#storage/users/accounts.ts'
import { memberProfile } from '#storage/rooms/member-profile.ts'
import { joinedRooms } from '#storage/rooms/membership.ts'
import { readRoomsOfUser } from '#storage/users/rooms-of-user.ts'
import type { LogRef, WriteRows } from '#storage/writes.ts'
import type { Asker } from '../runtime/client.ts'
import { delay, type Clock, type Timer } from '../runtime/clock.ts'
import { fanoutFailed } from './events.ts'

/** What rooms are told: `devices` for the device list, `profile` for name and avatar. */
export type FanoutKind = 'devices' | 'profile'

/** Rooms that are told at once for one user. */
const roomsAtOnce = 16

/** Memberships that can be left. */
const leavable: ReadonlySet<Membership> = new Set(['join', 'invite', 'knock'])

const firstRetryMs = 200
const lastRetryMs = 30_000

/** Milliseconds in which claims of several shards come together to be looked through in one statement. */
const recoveryDelayMs = 200

/** Rows that are read at once from a shard's log at its claim. */
const recoveryPage = 500

/** A change on its way to the rooms. */
export interface FanoutJob {
  readonly kind: FanoutKind
  readonly userId: UserId
  readonly shard: number
  /** The user's log row; it has its position once the committer has given one. */
  readonly at: LogRef | { readonly pos: number; readonly isPlaced: true }
  /** Resolves when the job has ended or been forgotten. */
  readonly ended: Promise<void>
  readonly end: () => void
}

type Change = Pick<FanoutJob, 'kind' | 'userId' | 'shard' | 'at'>

/** A shard that this host owns. */
interface OwnedShard {
  readonly controller: AbortController
  readonly jobs: Set<FanoutJob>
  /** By kind: the cursor as stored, and the greatest position that has ended. Undefined until the log has been looked through. */
  readonly cursors: Map<FanoutKind, { stored: number; ended: number }>
  /** Ends when what the owner before has left is known. */
  recovery: PromiseWithResolvers<void> | undefined
}

/** What a job works with; it outlives the activation that brought it. */
export interface FanoutServices {
  readonly reads: Reads
  readonly ask: Asker
  readonly clock: Clock
}

/** One per host. Users' actors bring their changes; the composition tells it which shards are owned. */
export class Fanout {
  readonly #shards = new Map<number, OwnedShard>()
  /** The last job of each user and kind: two changes of one user reach a room in their order. */
  readonly #last = new Map<string, FanoutJob>()
  readonly #claimed = new Set<number>()
  #recovery: Timer | undefined = undefined

  /** The shard has become ours: what its last owner left is told now. */
  shardClaimed(shard: number, services: FanoutServices): void {
    this.#owned(shard).recovery ??= Promise.withResolvers()
    this.#claimed.add(shard)
    this.#recovery ??= services.clock.after(recoveryDelayMs, () => {
      this.#recovery = undefined
      const shards = [...this.#claimed]
      this.#claimed.clear()
      void this.#recover(services, shards)
    })
  }

  /** The shard is somebody else's: he finds what is still to be told after the cursor. */
  shardLost(shard: number): void {
    const owned = this.#shards.get(shard)
    if (owned === undefined) return
    this.#shards.delete(shard)
    owned.controller.abort()
    owned.recovery?.resolve()
    for (const job of owned.jobs) this.#forget(owned, job)
  }

  /** Forgets everything; nothing is told any more. */
  dispose(): void {
    this.#recovery?.cancel()
    for (const shard of this.#shards.keys()) this.shardLost(shard)
  }

  /**
   * Takes a change that is being decided. `committed` is the decision's promise: the rooms are told when it resolves, and never if it
   * rejects.
   */
  follow(services: FanoutServices, change: Change & { at: LogRef; committed: Promise<void> }): FanoutJob {
    const owned = this.#owned(change.shard)
    const job = this.#add(owned, change)
    change.committed.then(
      () => this.#start(services, owned, job),
      () => this.#forget(owned, job),
    )
    return job
  }

  /** Resolves when the rooms have every change of the user that was committed before, be it under the owner before. */
  async settled(shard: number, userId: UserId): Promise<void> {
    await this.#shards.get(shard)?.recovery?.promise
    const jobs = [...(this.#shards.get(shard)?.jobs ?? [])]
    await Promise.all(jobs.filter((job) => job.userId === userId).map((job) => job.ended))
  }

  /** The cursors of a shard that could be moved now; whoever stores them says so by the same call. */
  takeCursorMoves(shard: number): readonly WriteRows['cursor'][] {
    const owned = this.#shards.get(shard)
    if (owned === undefined) return []
    const moves: WriteRows['cursor'][] = []
    for (const [kind, cursor] of owned.cursors) {
      const pos = reached(owned, kind, cursor.ended)
      if (pos <= cursor.stored) continue
      cursor.stored = pos
      moves.push({ kind, target: shard, source: shard, pos })
    }
    return moves
  }

  #owned(shard: number): OwnedShard {
    return this.#shards.getOrInsertComputed(shard, () => ({
      controller: new AbortController(),
      jobs: new Set(),
      cursors: new Map(),
      recovery: undefined,
    }))
  }

  #add(owned: OwnedShard, { kind, userId, shard, at }: Change): FanoutJob {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    const job: FanoutJob = { kind, userId, shard, at, ended, end }
    owned.jobs.add(job)
    return job
  }

  #forget(owned: OwnedShard, job: FanoutJob): void {
    owned.jobs.delete(job)
    const key = lastKey(job.kind, job.userId)
    if (this.#last.get(key) === job) this.#last.delete(key)
    job.end()
  }

  #start(services: FanoutServices, owned: OwnedShard, job: FanoutJob): void {
    if (!owned.jobs.has(job)) return
    const key = lastKey(job.kind, job.userId)
    const before = this.#last.get(key)
    this.#last.set(key, job)
    void this.#run(services, owned, job, before?.ended)
  }

  async #run(
    services: FanoutServices,
    owned: OwnedShard,
    job: FanoutJob,
    before: Promise<void> | undefined,
  ): Promise<void> {
    const { signal } = owned.controller
    await before
    for (let wait = firstRetryMs; !signal.aborted; wait = Math.min(wait * 2, lastRetryMs)) {
      try {
        await tellRooms(services, job, signal)
        break
      } catch (error) {
        if (signal.aborted) return
        fanoutFailed.publish({ kind: job.kind, shard: job.shard, error })
        await delay(services.clock, wait, signal).catch(() => {})
      }
    }
    if (signal.aborted) return
    const cursor = owned.cursors.get(job.kind)
    if (cursor !== undefined) cursor.ended = Math.max(cursor.ended, job.at.pos)
    this.#forget(owned, job)
  }

  /** Brings back what the shards' logs hold after their cursors. A cursor cannot be moved before that is done. */
  async #recover(services: FanoutServices, shards: readonly number[]): Promise<void> {
    const mine = (): number[] => shards.filter((shard) => this.#shards.has(shard))
    for (let wait = firstRetryMs; mine().length > 0; wait = Math.min(wait * 2, lastRetryMs)) {
      try {
        const backlogs = await readFollowBacklogs(services.reads, mine(), recoveryPage)
        await Promise.all(backlogs.map((backlog) => this.#resume(services, backlog)))
        for (const shard of shards) this.#shards.get(shard)?.recovery?.resolve()
        return
      } catch (error) {
        fanoutFailed.publish({ kind: 'devices', shard: shards[0] ?? -1, error })
        await delay(services.clock, wait)
      }
    }
  }

  /** Makes jobs of all rows of a backlog, page by page. */
  async #resume(services: FanoutServices, { kind, shard, stored, rows }: FollowBacklog): Promise<void> {
    const owned = this.#shards.get(shard)
    let after = stored
    let page = rows
    while (owned !== undefined && !owned.controller.signal.aborted) {
      this.#takeRows(services, owned, { kind, shard, rows: page })
      after = page.at(-1)?.pos ?? after
      if (page.length < recoveryPage) {
        owned.cursors.set(kind, { stored, ended: after })
        return
      }
      page = await readFollowRows(services.reads, { kind, shard, after, limit: recoveryPage })
    }
  }

  /** Makes jobs of rows that have none yet. */
  #takeRows(
    services: FanoutServices,
    owned: OwnedShard,
    { kind, shard, rows }: Pick<FollowBacklog, 'kind' | 'shard' | 'rows'>,
  ): void {
    const known = new Set([...owned.jobs].filter((job) => job.at.isPlaced).map((job) => job.at.pos))
    for (const { pos, userId } of rows) {
      if (known.has(pos)) continue
      const job = this.#add(owned, { kind, shard, userId, at: { pos, isPlaced: true } })
      this.#start(services, owned, job)
      // No activation brought this job, so that one has to be asked to store how far it has come.
      void job.ended.then(() => moveCursor(services, owned, job))
    }
  }
}

function lastKey(kind: FanoutKind, userId: UserId): string {
  return `${kind} ${userId}`
}

/** Up to which position every row of the kind has been told. A row without a position comes after all that have ended. */
function reached(owned: OwnedShard, kind: FanoutKind, ended: number): number {
  let pos = ended
  for (const job of owned.jobs) {
    if (job.kind === kind && job.at.isPlaced) pos = Math.min(pos, job.at.pos - 1)
  }
  return pos
}

async function moveCursor({ ask }: FanoutServices, owned: OwnedShard, job: FanoutJob): Promise<void> {
  if (owned.controller.signal.aborted) return
  try {
    await ask.ask('user', job.userId, 'moveCursor', {}, { signal: owned.controller.signal })
  } catch (error) {
    // Any later decision of the shard takes the cursor along.
    fanoutFailed.publish({ kind: job.kind, shard: job.shard, error })
  }
}

/** Tells every room that the user is in. Throws if one has not answered. */
async function tellRooms(options: FanoutServices, job: FanoutJob, signal: AbortSignal): Promise<void> {
  const { reads, ask } = options
  const { userId } = job
  const account = await readAccount(reads, userId)
  if (account === undefined || account.deactivatedAt !== undefined) return leaveRooms(options, userId, signal)
  const rooms = await joinedRooms(reads, userId)
  const change = { userId, source: { shard: job.shard, pos: job.at.pos } }
  if (job.kind === 'devices') {
    return forEachRoom(rooms, (roomId) => ask.ask('room', roomId, 'deviceList', change, { signal }))
  }
  const profile = await memberProfile(reads, userId)
  return forEachRoom(rooms, (roomId) =>
    ask.ask('room', roomId, 'profile', { ...change, profile }, { signal }),
  )
}

/** An account that is closed leaves every room, declines every invite and takes every knock back. */
async function leaveRooms(options: FanoutServices, userId: UserId, signal: AbortSignal): Promise<void> {
  const present = await readRoomsOfUser(options.reads, userId)
  const rooms = present.filter((room) => leavable.has(room.membership)).map((room) => room.roomId)
  const leave = { sender: userId, target: userId, action: 'leave', profile: {} } as const
  return forEachRoom(rooms, (roomId) => options.ask.ask('room', roomId, 'membership', leave, { signal }))
}

async function forEachRoom(
  rooms: readonly RoomId[],
  tell: (roomId: RoomId) => Promise<unknown>,
): Promise<void> {
  const next = rooms.values()
  const worker = async (): Promise<void> => {
    for (const roomId of next) await tell(roomId).catch(ignoreRefusal)
  }
  await Promise.all(Array.from({ length: Math.min(roomsAtOnce, rooms.length) }, worker))
}

/** A room that is gone, or that the user has just left, needs not be told. What may go better later is thrown on. */
function ignoreRefusal(error: unknown): void {
  if (error instanceof MatrixError && (error.errcode === 'M_NOT_FOUND' || error.errcode === 'M_FORBIDDEN'))
    return
  throw error
}
