/**
 * Unread counts of one user, kept per room from the log: what notified him since he last read, by thread. Nothing is
 * written per message; now and then the counts are stored with the position up to which they hold, to count on from there.
 */

import { parseJson } from '#protocol/json/parse.ts'
import { stringField, type JsonValue, isJsonObject } from '#protocol/json/types.ts'
import { type CompiledRuleset, evaluate } from '#protocol/push/evaluate.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { StoredEvent } from '#storage/entry.ts'
import { readOwnReceipts, type ReceiptRow } from '#storage/sync/rooms.ts'
import { readNewestEventsBegin, readUnreadMarks, type UnreadMark } from '#storage/sync/unread.ts'
import type { EventEntry, ReceiptBody } from './delta.ts'
import { isEventEntry } from './delta.ts'
import type { SyncHost } from './host.ts'
import { mainThread } from './notifications.ts'
import type { Room } from './room-infos.ts'
import type { UserRoom } from '#storage/sync/user-rooms.ts'

export interface Count {
  readonly notifications: number
  readonly highlights: number
}

export interface UnreadCount {
  /** All of the room. */
  readonly total: Count
  readonly main: Count
  readonly threads: ReadonlyMap<string, Count>
}

/** Something that notified the user. */
interface Note {
  readonly pos: number
  readonly thread: string
  readonly highlight: boolean
}

interface RoomUnread {
  /** Since which position the user is in the room: after another join the counting begins anew. */
  readonly joinedAt: number
  /** Everything up to here has been counted. */
  upTo: number
  /** Ascending. */
  notes: Note[]
  /** The notes added up; undefined: to be done. */
  sums: Sums | undefined
  /** Up to which position the user has read, by thread; `''` for all of them. */
  readonly read: Map<string, number>
  /** Events counted since the counts were stored. */
  unstored: number
}

interface Tally {
  notifications: number
  highlights: number
}

interface Sums {
  readonly total: Tally
  readonly main: Tally
  readonly threads: Map<string, Tally>
}

/** A room that has to be counted up to a position. */
interface Behind {
  readonly room: UserRoom
  readonly upTo: number
  readonly unread: RoomUnread
}

const pageSize = 500
/** Each with up to a page of events, which are in memory together. */
const roomsAtOnce = 50
/** More than this is not counted on: nobody reads the difference between a thousand and two. */
const maxNotes = 2000
/** So many are left when there are more. */
const keptNotes = maxNotes / 2
const storeAfter = 500

export class UnreadCounts {
  readonly #host: SyncHost
  readonly #userId: UserId
  /** Whether some room has come far since its counts were stored. */
  isWorthStoring = false
  readonly #rooms = new Map<string, RoomUnread>()
  #stored: Promise<Map<string, UnreadMark>> | undefined

  constructor(host: SyncHost, userId: UserId) {
    this.#host = host
    this.#userId = userId
  }

  /** Counts these rooms up to a position of each, from Postgres where they are behind. */
  async catchUp(
    rooms: readonly { readonly room: UserRoom; readonly upTo: number }[],
    rules: CompiledRuleset,
  ): Promise<void> {
    await this.#begin(rooms.filter(({ room, upTo }) => this.#known(room, upTo) === undefined))
    const behind = rooms.flatMap(({ room, upTo }) => {
      const unread = this.#known(room, upTo)
      return unread === undefined || unread.upTo >= upTo ? [] : [{ room, upTo, unread }]
    })
    for (let from = 0; from < behind.length; from += roomsAtOnce)
      await this.#countOn(behind.slice(from, from + roomsAtOnce), rules)
  }

  /** All rooms at once, so that what has to be looked up for them is looked up together. */
  async #countOn(rooms: readonly Behind[], rules: CompiledRuleset): Promise<void> {
    let behind = rooms
    while (behind.length > 0) {
      const ranges = behind.map(({ room, upTo, unread }) => ({
        roomNid: room.roomNid,
        after: unread.upTo,
        upTo,
        limit: pageSize,
      }))
      const pages = await this.#host.newest.toCount(ranges)
      const pageOf = ({ room }: Behind): readonly EventEntry[] => pages.get(room.roomNid) ?? []
      await Promise.all(behind.map(async (each) => this.#count(each.unread, pageOf(each), rules)))
      const isDone = (each: Behind): boolean => pageOf(each).length < pageSize
      for (const { unread, upTo } of behind.filter(isDone)) this.#reached(unread, upTo)
      behind = behind.filter((each) => !isDone(each))
    }
  }

  /** Counts a room up to a position by what its ring has. False when that does not suffice: call `catchUp`. */
  follow(room: UserRoom, upTo: number, rules: CompiledRuleset): boolean | Promise<boolean> {
    const unread = this.#known(room, upTo)
    if (unread === undefined) return false
    if (unread.upTo >= upTo) return true
    const rows = this.#host.feed.entriesAfter(room.roomId, room.shard, unread.upTo)
    if (rows === undefined || upTo > (this.#host.feed.provenTo(room.shard) ?? -1)) return false
    const entries = rows.filter(isEventEntry).filter((entry) => entry.pos <= upTo)
    const counting = this.#count(unread, entries, rules)
    if (counting === undefined) return this.#reached(unread, upTo)
    return counting.then(() => this.#reached(unread, upTo))
  }

  #reached(unread: RoomUnread, upTo: number): true {
    unread.upTo = Math.max(unread.upTo, upTo)
    return true
  }

  /** Takes up receipts; those of others mean nothing here. */
  read(room: UserRoom, receipts: readonly ReceiptBody[]): void {
    const unread = this.#rooms.get(room.roomId)
    if (unread === undefined) return
    for (const receipt of receipts) {
      if (receipt.userId === this.#userId) markRead(unread, receipt.threadId, receipt.eventPos)
    }
  }

  /** The room has been left: what comes after another join begins at nought. */
  forget(roomId: string): void {
    this.#rooms.delete(roomId)
  }

  count(roomId: string): UnreadCount {
    const unread = this.#rooms.get(roomId)
    if (unread === undefined) return nothingUnread
    unread.sums ??= sumsOf(unread.notes)
    return unread.sums
  }

  /** The counts that are worth storing, which count as stored from now on. */
  takeUnstored(): UnreadMark[] {
    const taken: UnreadMark[] = []
    this.isWorthStoring = false
    for (const [roomId, unread] of this.#rooms) {
      if (unread.unstored < storeAfter) continue
      unread.unstored = 0
      const notes = unread.notes.map(({ pos, thread, highlight }) => [pos, thread, highlight])
      taken.push({ roomId, pos: unread.upTo, counts: JSON.stringify({ notes }) })
    }
    return taken
  }

  async #begin(rooms: readonly { readonly room: UserRoom; readonly upTo: number }[]): Promise<void> {
    if (rooms.length === 0) return
    this.#stored ??= readUnreadMarks(this.#host.reads, this.#userId).then(
      (marks) => new Map(marks.map((mark) => [mark.roomId, mark])),
    )
    const nids = rooms.map(({ room }) => room.roomNid)
    const [stored, receipts] = await Promise.all([
      this.#stored,
      readOwnReceipts(this.#host.reads, this.#userId, nids),
    ])
    const byRoom = Map.groupBy(receipts, (receipt) => receipt.roomNid)
    const begun = rooms.map(({ room, upTo }) => ({
      room,
      upTo,
      unread: beginning(room, upTo, stored.get(room.roomId), byRoom.get(room.roomNid) ?? []),
    }))
    await this.#skipOldest(begun)
    for (const { room, unread, upTo } of begun)
      if (this.#known(room, upTo) === undefined) this.#rooms.set(room.roomId, unread)
  }

  /** What has been counted of a room for the stay in it that a position belongs to. Another look may have begun before the user left. */
  #known(room: UserRoom, upTo: number): RoomUnread | undefined {
    const unread = this.#rooms.get(room.roomId)
    return unread?.joinedAt === joinedAt(room, upTo) ? unread : undefined
  }

  /** Of what a user has never seen, only as much is read as is kept: for the rest it is too late. */
  async #skipOldest(
    begun: readonly { readonly room: UserRoom; readonly upTo: number; readonly unread: RoomUnread }[],
  ): Promise<void> {
    const ranges = begun
      .filter(({ unread, upTo }) => upTo - unread.upTo > keptNotes)
      .map(({ room, unread, upTo }) => ({
        roomNid: room.roomNid,
        after: unread.upTo,
        upTo,
        limit: keptNotes,
      }))
    const positions = await readNewestEventsBegin(this.#host.reads, ranges)
    for (const { room, unread } of begun)
      unread.upTo = Math.max(unread.upTo, positions.get(room.roomNid) ?? 0)
  }

  #count(
    unread: RoomUnread,
    entries: readonly EventEntry[],
    rules: CompiledRuleset,
    from = 0,
  ): Promise<void> | undefined {
    for (let i = from; i < entries.length; i++) {
      const entry = entries[i]
      if (entry === undefined) continue
      const { event } = entry
      if (event.sender !== this.#userId) {
        const room = this.#host.rooms.get(entry.roomNid ?? -1)
        const counted = this.#host.notifications.prepare(entry, event, room)
        if (counted instanceof Promise) {
          // The rest goes on when this event is ready; whoever asks next finds it so.
          return counted.then(() => this.#count(unread, entries, rules, i))
        }
        if (rules.untouched) {
          this.#note(
            unread,
            entry,
            counted.thread,
            evaluate(counted.prepared, { userId: this.#userId, rules }),
          )
        } else {
          return this.#displayName(entry, room).then((displayName) => {
            this.#note(
              unread,
              entry,
              counted.thread,
              evaluate(counted.prepared, { userId: this.#userId, rules, displayName }),
            )
            return this.#count(unread, entries, rules, i + 1)
          })
        }
      }
      this.#counted(unread, entry)
    }
    return undefined
  }

  #note(
    unread: RoomUnread,
    entry: EventEntry,
    thread: string,
    outcome: { notify: boolean; highlight: boolean },
  ): void {
    this.#counted(unread, entry)
    if (!outcome.notify || entry.pos <= readUpTo(unread, thread)) return
    // Two syncs of two devices may count the same entries, the second after the first has waited.
    const last = unread.notes.at(-1)
    if (last !== undefined && last.pos >= entry.pos && unread.notes.some((note) => note.pos === entry.pos))
      return
    const note = { pos: entry.pos, thread, highlight: outcome.highlight }
    unread.notes.push(note)
    if (unread.sums !== undefined) add(unread.sums, note)
    if (unread.notes.length <= maxNotes) return
    unread.notes = unread.notes.slice(-keptNotes)
    unread.sums = undefined
  }

  #counted(unread: RoomUnread, entry: EventEntry): void {
    if (entry.pos <= unread.upTo) return
    unread.upTo = entry.pos
    unread.unstored++
    if (unread.unstored === storeAfter) this.isWorthStoring = true
  }

  async #displayName(entry: EventEntry, room: Room): Promise<string | undefined> {
    if (entry.stateRoot === undefined) return undefined
    const member: StoredEvent | undefined = await this.#host.states.get(room.roomNid, entry.stateRoot, [
      'm.room.member',
      this.#userId,
    ])
    return member && stringField(this.#host.texts.content(member), 'displayname')
  }
}

function joinedAt(room: UserRoom, upTo: number): number {
  return room.membershipAt(upTo) === 'join' ? room.changedAt(upTo) : upTo
}

/** From where a room is counted: from what is stored, or else from what was read last or from the join. */
function beginning(
  room: UserRoom,
  upTo: number,
  stored: UnreadMark | undefined,
  receipts: readonly ReceiptRow[],
): RoomUnread {
  const since = joinedAt(room, upTo)
  const isUsable = stored !== undefined && stored.pos >= since && stored.pos <= upTo
  const unread: RoomUnread = {
    joinedAt: since,
    upTo: isUsable ? stored.pos : since,
    notes: isUsable ? notesIn(stored.counts) : [],
    sums: undefined,
    read: new Map(),
    unstored: 0,
  }
  for (const receipt of receipts) markRead(unread, receipt.threadId, receipt.eventPos)
  // What is read need not be counted.
  const readAll = unread.read.get('') ?? 0
  if (readAll > unread.upTo) unread.upTo = Math.min(readAll, upTo)
  return unread
}

const nothingUnread: UnreadCount = sumsOf([])

function sumsOf(notes: readonly Note[]): Sums {
  const sums: Sums = { total: noTally(), main: noTally(), threads: new Map() }
  for (const note of notes) add(sums, note)
  return sums
}

function add(sums: Sums, { highlight, thread }: Note): void {
  const one = thread === mainThread ? sums.main : sums.threads.getOrInsertComputed(thread, noTally)
  for (const tally of [one, sums.total]) {
    tally.notifications++
    if (highlight) tally.highlights++
  }
}

function noTally(): Tally {
  return { notifications: 0, highlights: 0 }
}

function markRead(unread: RoomUnread, thread: string, pos: number): void {
  if (pos <= (unread.read.get(thread) ?? 0)) return
  unread.read.set(thread, pos)
  unread.notes = unread.notes.filter((note) => note.pos > readUpTo(unread, note.thread))
  unread.sums = undefined
}

function readUpTo(unread: RoomUnread, thread: string): number {
  return Math.max(unread.read.get('') ?? 0, unread.read.get(thread) ?? 0)
}

function notesIn(text: string): Note[] {
  const counts = parseJson(text)
  const notes = isJsonObject(counts) ? counts['notes'] : undefined
  if (!Array.isArray(notes)) return []
  return notes.flatMap((note: JsonValue) => {
    const [pos, thread, highlight] = Array.isArray(note) ? note : []
    if (typeof pos !== 'number' || typeof thread !== 'string') return []
    return [{ pos, thread, highlight: highlight === true }]
  })
}
