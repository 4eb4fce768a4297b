/**
 * The actor of a room: the one place in the cluster that decides what happens in it. Each kind of request has its file; this one keeps
 * the activation and hands out the work.
 */

import { MatrixError } from '#protocol/errors.ts'
import { parseRoomId, type RoomId } from '#protocol/ids/room-id.ts'
import type { Actor, ActorContext, ActorDefinition, RequestOf } from '../runtime/contract.ts'
import { defaultShardCount } from '../runtime/shards.ts'
import type { EventNumbers, RoomCore } from './core.ts'
import { createRoom, isSameRoom } from './create.ts'
import { loadRoom } from './load.ts'
import { changeMembership } from './membership.ts'
import type { CreateRoom, RoomMessages } from './messages.ts'
import { AppliedChanges, applyDeviceList, applyProfile } from './profile.ts'
import { ReceiptPositions, setReceipt } from './receipts.ts'
import { redactEvent } from './redact.ts'
import { sendEvent, sendState } from './send.ts'
import { RoomServices } from './services.ts'
import { TypingUsers } from './typing.ts'

/** Numbers of events in blocks, and of rooms one by one. */
export interface RoomNumbers extends EventNumbers {
  /** A number for a new room. */
  nextRoom(): Promise<number>
}

export interface RoomActorOptions {
  /** The name of this server, as in its users' ids. */
  readonly serverName: string
  readonly numbers: RoomNumbers
  readonly shardCount?: number
}

const mailboxLimit = 2000
const idleMs = 300_000
const seenLimit = 1000

/** The definition of the room actor. */
export function roomActor(options: RoomActorOptions): ActorDefinition<RoomMessages> {
  /** Rooms whose next activations ask Postgres for transactions, because the window in memory did not know one. */
  const seenRooms = new Set<string>()
  return {
    kind: 'room',
    interleaved: new Set(),
    mailboxLimit,
    idleMs,
    load: (context) => loadActor(options, context, seenRooms),
  }
}

async function loadActor(
  options: RoomActorOptions,
  context: ActorContext,
  seenRooms: Set<string>,
): Promise<RoomActor> {
  const { numbers, serverName } = options
  const roomId = parseRoomId(context.key)
  const shardCount = options.shardCount ?? defaultShardCount
  const services = new RoomServices({
    context,
    shardCount,
    serverName,
    numbers,
    asksForTransactions: seenRooms.has(roomId),
    onSeen: () => remember(seenRooms, roomId),
  })
  const room = await loadRoom(context.reads, roomId, shardCount)
  return new RoomActor({ roomId, services, room, numbers })
}

/** A room that is forgotten here is noticed anew by its next repeated transaction. */
function remember(rooms: Set<string>, roomId: string): void {
  if (rooms.size >= seenLimit) rooms.clear()
  rooms.add(roomId)
}

interface RoomActorParts {
  readonly roomId: RoomId
  readonly services: RoomServices
  readonly numbers: RoomNumbers
  readonly room: RoomCore | undefined
}

export class RoomActor implements Actor<RoomMessages> {
  readonly #services: RoomServices
  readonly #numbers: RoomNumbers
  readonly #typing: TypingUsers
  readonly #receipts = new ReceiptPositions()
  readonly #profiles = new AppliedChanges()
  readonly #deviceLists = new AppliedChanges()
  #room: RoomCore | undefined

  constructor(parts: RoomActorParts) {
    this.#services = parts.services
    this.#numbers = parts.numbers
    this.#room = parts.room
    const context: ActorContext = parts.services.context
    this.#typing = new TypingUsers(context, parts.roomId)
    context.signal.addEventListener('abort', () => this.#typing.stopAll(), { once: true })
  }

  get mayPassivate(): boolean {
    return !this.#typing.anybody
  }

  handle(request: RequestOf<RoomMessages>): unknown {
    if (request.kind === 'create') return this.#create(request.body)
    const room = this.#room
    if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'The room does not exist on this server.')
    return this.#handle(room, request)
  }

  #handle(room: RoomCore, request: Exclude<RequestOf<RoomMessages>, { kind: 'create' }>): unknown {
    const services = this.#services
    switch (request.kind) {
      case 'send':
        this.#typing.stop(request.body.sender)
        return sendEvent(room, services, request.body)
      case 'state':
        return sendState(room, services, request.body)
      case 'redact':
        return redactEvent(room, services, request.body)
      case 'membership':
        return this.#membership(room, request.body)
      case 'receipt':
        return setReceipt(room, services, { request: request.body, positions: this.#receipts })
      case 'typing':
        return this.#typing.set(room, request.body)
      case 'profile':
        return this.#profiles.accept(request.body) ? applyProfile(room, services, request.body) : {}
      case 'deviceList':
        return this.#deviceLists.accept(request.body) ? applyDeviceList(room, services, request.body) : {}
    }
  }

  async #membership(room: RoomCore, request: RoomMessages['membership']['request']): Promise<unknown> {
    const reply = await changeMembership(room, this.#services, request)
    if (request.action !== 'join') this.#typing.stop(request.target)
    return reply
  }

  async #create(request: CreateRoom): Promise<{ roomId: RoomId }> {
    if (this.#room === undefined) {
      this.#room = await createRoom(this.#services, request, () => this.#numbers.nextRoom())
    } else if (!(await isSameRoom(this.#room, request))) {
      throw new MatrixError('M_ROOM_IN_USE', 'There is another room with this id.')
    }
    return { roomId: request.roomId }
  }
}
