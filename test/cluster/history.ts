/**
 * What happened in a run, as the clients and the database tell it. Times are milliseconds of one monotonic clock, that of the test's
 * process, in which all clients live.
 */

/** One message, or one state entry, that a client wanted to send, whatever it took. */
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
  /** The `notification_count` and `highlight_count` that the client was told last; undefined: none yet. */
  readonly notifications: number | undefined
  readonly highlights: number | undefined
  /** The last event for which a read receipt of the client was acknowledged. */
  readonly readTo: string | undefined
}

/** The state of a room at the end; event ids by type and state key. */
export interface StateSeen {
  readonly client: string
  readonly roomId: string
  /** As the client has it from its syncs. */
  readonly folded: ReadonlyMap<string, string>
  /** As `/state` answers. */
  readonly served: ReadonlyMap<string, string>
}

/** A message to the one device of a user. Its text is unlike that of every other. */
export interface Whisper {
  readonly to: string
  readonly text: string
}

/** What a client was told by to-device messages, each as often as it was told. */
export interface Ear {
  readonly client: string
  readonly heard: readonly string[]
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
  /** The `body` of its content. */
  readonly body: string | undefined
  /** User ids in `m.mentions`. */
  readonly mentions: readonly string[]
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
  readonly states: readonly StateSeen[]
  /** To-device messages that were acknowledged. */
  readonly whispers: readonly Whisper[]
  readonly ears: readonly Ear[]
  /** One-time keys that were handed out, each named with its user and device, as often as it was handed out. */
  readonly claims: readonly string[]
  /** All logs, ascending by shard and position. */
  readonly log: readonly LogRow[]
  /** All live events of the rooms that the clients are in, ascending by position within each room. */
  readonly events: readonly StoredEvent[]
  readonly owners: readonly OwnerSeen[]
}
