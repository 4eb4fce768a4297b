/**
 * What happened in a run, as the clients and the database tell it. Times are milliseconds of one monotonic clock, that of the test's
 * process, in which all clients live.
 */

/** One message that a client wanted to send, whatever it took. */
export interface Send {
  readonly userId: string
  readonly deviceId: string
  readonly roomId: string
  readonly txnId: string
  /** Unlike every other body of the run. */
  readonly body: string
  readonly invokedAtMs: number
  /** When the first answer came that said 200; absent: none did. */
  readonly returnedAtMs?: number
  /** The event ids of all answers that said 200, in their order: one, or several where the client repeated itself. */
  readonly eventIds: readonly string[]
}

/** The events of a room as one client has them, oldest first: from syncs, with the gaps filled by /messages. */
export interface Timeline {
  /** User id; each user has one client. */
  readonly client: string
  readonly roomId: string
  readonly eventIds: readonly string[]
  /** The `notification_count` that the client was told last; undefined: none yet. It never says that it has read anything. */
  readonly notifications: number | undefined
}

/** A row of a shard's log. */
export interface LogRow {
  readonly shard: number
  readonly pos: number
  readonly epoch: number
}

/** A live event as the database has it. */
export interface StoredEvent {
  readonly eventId: string
  readonly roomId: string
  readonly type: string
  readonly stateKey: string | undefined
  readonly sender: string
  /** "device txnId" of the client that sent it. */
  readonly txn: string | undefined
  /** The `body` of a message. */
  readonly body: string | undefined
  readonly pos: number
  readonly prevEvents: readonly string[]
  readonly depth: number
}

/** Seen at some moment: the host owned the shard under that epoch. */
export interface OwnerSeen {
  readonly shard: number
  readonly epoch: number
  readonly owner: number
}

export interface History {
  readonly sends: readonly Send[]
  readonly timelines: readonly Timeline[]
  /** All logs, ascending by shard and position. */
  readonly log: readonly LogRow[]
  /** All live events of the rooms that the clients are in, ascending by position within each room. */
  readonly events: readonly StoredEvent[]
  readonly owners: readonly OwnerSeen[]
}
