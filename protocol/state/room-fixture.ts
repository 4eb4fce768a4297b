/**
 * A room as a graph of events for tests, differential tests and measurements: it fills in what a homeserver fills in
 * (auth events, depths, state before and after), and holds all in memory.
 */
import { toCheckedEvent, type StateLookup } from '../auth/auth-event.ts'
import { checkAuth } from '../auth/check.ts'
import { authEventKeys } from '../auth/select.ts'
import { eventIdOf, referenceHash, roomIdOfCreate, sha256Base64 } from '../events/hash.ts'
import { nextDepth, type Pdu } from '../events/pdu.ts'
import { makeEventId, type EventId } from '../ids/event-id.ts'
import { parseRoomId, type RoomId } from '../ids/room-id.ts'
import { serverOf, type UserId } from '../ids/user-id.ts'
import type { JsonArray, JsonObject } from '../json/types.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import type { AuthLinks, ResolutionPause, ResolutionSource, ResolvableEvent } from './resolution-source.ts'
import { resolveStates, type Resolution, type ResolutionBudget } from './resolve.ts'
import { stateKeyHash, type NodeId, type TrieNode } from './trie-node.ts'
import { trieSet, trieSetMany, type TrieUpdate } from './trie-update.ts'
import { emptyRoot, trieEntries, trieGet } from './trie.ts'

/** What a test says of an event; everything else follows from the room. */
export interface EventDraft {
  readonly type: string
  readonly stateKey?: string | undefined
  readonly sender: UserId
  readonly content: JsonObject
  /** The previous events; the newest event of the room if absent. */
  readonly after?: readonly GraphEvent[]
  readonly originServerTs?: number
}

/** An event of the graph. */
export interface GraphEvent extends ResolvableEvent {
  readonly pdu: Pdu
  readonly before: NodeId
  readonly after: NodeId
}

/** The fields of an event that need no form of their own in some version. */
export interface PduDraft {
  readonly type: string
  readonly state_key?: string
  readonly sender: UserId
  readonly room_id?: RoomId
  readonly content: JsonObject
  readonly depth: number
  readonly origin_server_ts: number
  readonly redacts?: string
}

/** Which events a drafted one refers to, and how it is named where that is not computed. */
export interface DraftReferences {
  readonly previous: readonly EventId[]
  readonly auth: readonly EventId[]
  /** The reference hashes of both, where the version refers by them. */
  readonly hashes: ReadonlyMap<EventId, string>
  readonly opaque: string
}

/** The event that these fields make in a room version, with its id. Its content need not be canonical JSON, and its hash is not that of the content. */
export function draftPdu(
  rules: RoomVersionRules,
  fields: PduDraft,
  references: DraftReferences,
): { readonly pdu: Pdu; readonly eventId: EventId } {
  const { previous, auth, hashes, opaque } = references
  const isOld = rules.eventIdFormat === 'v1'
  const refer = (ids: readonly EventId[]): JsonArray =>
    isOld ? ids.map((id) => [id, { sha256: hashes.get(id) ?? '' }]) : ids
  const pdu: Pdu = {
    ...fields,
    ...(isOld ? { event_id: makeEventId(opaque, serverOf(fields.sender)) } : undefined),
    prev_events: refer(previous),
    auth_events: refer(auth),
    // Redaction keeps it, so that the ids of two events differ also where all else that redaction keeps is the same.
    hashes: { sha256: sha256Base64(opaque) },
  }
  return { pdu, eventId: eventIdOf(rules, pdu) }
}

/** A room of one version, and the source that its resolutions read from. */
export class RoomGraph implements ResolutionSource {
  readonly rules: RoomVersionRules
  readonly nodes = new Map<NodeId, TrieNode>()
  readonly events: GraphEvent[] = []
  readonly #hashes = new Map<EventId, string>()
  readonly #citing = new Map<number, number[]>()
  #roomId: RoomId | undefined

  constructor(rules: RoomVersionRules) {
    this.rules = rules
  }

  event(number: number): GraphEvent | undefined {
    return this.events[number - 1]
  }

  links(number: number): AuthLinks | undefined {
    return this.event(number)
  }

  citing(number: number): readonly number[] {
    return this.#citing.get(number) ?? []
  }

  /** Adds an event if the rules allow it by the state before it; otherwise nothing happens. */
  tryAdd(draft: EventDraft): GraphEvent | undefined {
    const event = this.draft(draft)
    if (!checkAuth(this.rules, event, this.lookupIn(event.before)).ok) return undefined
    this.events.push(event)
    this.#cite(event)
    if (this.rules.eventIdFormat === 'v1')
      this.#hashes.set(event.eventId, referenceHash(this.rules, event.pdu))
    if (event.type === 'm.room.create')
      this.#roomId = this.rules.roomIdIsCreateHash
        ? roomIdOfCreate(event.eventId)
        : parseRoomId('!room:a.org')
    return event
  }

  /** Adds an event that the rules allow. */
  add(draft: EventDraft): GraphEvent {
    const event = this.tryAdd(draft)
    if (event === undefined)
      throw new Error(`${draft.type} by ${draft.sender} is not allowed in the fixture's room.`)
    return event
  }

  /** The event that a draft makes, without it becoming a part of the room. */
  draft(draft: EventDraft): GraphEvent {
    const previous = draft.after ?? this.events.slice(-1)
    const before = this.stateAfterAll(previous)
    const auth = this.#authEvents(draft, before)
    const isFirst = previous.length === 0
    const roomId = isFirst && !this.rules.roomIdIsCreateHash ? parseRoomId('!room:a.org') : this.#roomId
    const { pdu, eventId } = draftPdu(
      this.rules,
      {
        type: draft.type,
        ...(draft.stateKey === undefined ? {} : { state_key: draft.stateKey }),
        sender: draft.sender,
        ...(roomId === undefined ? {} : { room_id: roomId }),
        content: draft.content,
        depth: nextDepth(previous.map((event) => event.depth)),
        origin_server_ts: draft.originServerTs ?? this.events.length + 1,
      },
      {
        previous: previous.map((event) => event.eventId),
        auth: auth.map((event) => event.eventId),
        hashes: this.#hashes,
        opaque: `e${this.events.length + 1}`,
      },
    )
    const number = this.events.length + 1
    return {
      ...toCheckedEvent(this.rules, pdu, eventId),
      number,
      pdu,
      depth: pdu.depth,
      originServerTs: pdu.origin_server_ts,
      authEvents: auth.map((event) => event.number),
      authDepth: auth.reduce((depth, event) => Math.max(depth, event.authDepth + 1), 0),
      isRejected: false,
      before,
      after:
        draft.stateKey === undefined
          ? before
          : this.keep(trieSet(this.nodes, before, stateKeyHash(draft.type, draft.stateKey), number)),
    }
  }

  /** The resolution of the states after these events. */
  stateAfterAll(events: readonly GraphEvent[]): NodeId {
    const roots = [...new Set(events.map((event) => event.after))]
    return roots.length === 0 ? emptyRoot : this.resolve(roots).root
  }

  /** Resolves states, all in memory, and keeps the nodes that come of it. */
  resolve(roots: readonly NodeId[], budget?: ResolutionBudget): Resolution {
    const resolution = runToEnd(resolveStates(this.rules, this, roots, budget), (pause) => {
      if (pause.kind !== 'breathe') throw new Error('Something of the room is not in memory.')
    })
    this.keep(resolution)
    return resolution
  }

  /** The state with these events as its entries, whether or not the room has ever been in it. */
  stateOf(events: Iterable<GraphEvent>): NodeId {
    const entries = [...events].flatMap((event) =>
      event.stateKey === undefined ? [] : [[stateKeyHash(event.type, event.stateKey), event.number] as const],
    )
    return this.keep(trieSetMany(this.nodes, emptyRoot, entries))
  }

  /** Holds the nodes of an update from now on. */
  keep(update: TrieUpdate): NodeId {
    for (const node of update.created) this.nodes.set(node.id, node)
    return update.root
  }

  /** The entries of a state by type and state key. */
  entries(root: NodeId): Map<string, GraphEvent> {
    const found = new Map<string, GraphEvent>()
    for (const [, number] of trieEntries(this.nodes, root)) {
      const event = this.event(number)
      if (event !== undefined) found.set(JSON.stringify([event.type, event.stateKey]), event)
    }
    return found
  }

  /** The state as the authorisation rules ask for it. */
  lookupIn(root: NodeId): StateLookup {
    return (type, stateKey) => {
      const number = trieGet(this.nodes, root, stateKeyHash(type, stateKey))
      return number === undefined ? undefined : this.event(number)
    }
  }

  #cite(event: GraphEvent): void {
    if (event.stateKey === undefined) return
    for (const number of event.authEvents)
      this.#citing.getOrInsertComputed(number, () => []).push(event.number)
  }

  #authEvents(draft: EventDraft, before: NodeId): readonly GraphEvent[] {
    return authEventKeys(this.rules, draft).flatMap(([type, stateKey]) => {
      const number = trieGet(this.nodes, before, stateKeyHash(type, stateKey))
      const event = number === undefined ? undefined : this.event(number)
      return event === undefined ? [] : [event]
    })
  }
}

/** Drives a resolution to its end and tells each pause to `onPause`, which loads what is asked for. */
export function runToEnd<T>(
  resumable: Generator<ResolutionPause, T, undefined>,
  onPause: (pause: ResolutionPause) => void,
): T {
  for (;;) {
    const step = resumable.next()
    if (step.done === true) return step.value
    onPause(step.value)
  }
}
