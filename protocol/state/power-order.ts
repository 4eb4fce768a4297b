/** The order of the events that can take somebody's power away. Room version 2, "Reverse topological power ordering". */
import { creatorsOf } from '../events/read/create.ts'
import { membershipOf } from '../events/read/membership.ts'
import { readPowerLevels, type PowerLevels } from '../events/read/power-levels.ts'
import { compareCodePoints } from '../json/canonical.ts'
import type { RoomVersionRules } from '../versions/rules.ts'
import { PriorityQueue } from './priority-queue.ts'
import { loadAhead, loadedEvent, spend } from './resolution-source.ts'
import type { MeteredSource, ResolutionSource, ResolvableEvent, Resumable } from './resolution-source.ts'
import type { StateKeys } from './state-keys.ts'

/** The resolution that is under way, as its steps see it. */
export interface ResolutionWork extends MeteredSource {
  readonly rules: RoomVersionRules
  readonly keys: StateKeys
  /** The create event of a room of version 12, which is not among the auth events. */
  readonly impliedCreate: ResolvableEvent | undefined
}

/**
 * "A power event is a state event with type m.room.power_levels or m.room.join_rules, or a state event with type
 * m.room.member where the membership is leave or ban and the sender does not match the state_key." NOTSPEC: the
 * first two only with an empty state key, as other servers have it.
 */
export function isPowerEvent(event: ResolvableEvent): boolean {
  switch (event.type) {
    case 'm.room.power_levels':
    case 'm.room.join_rules':
      return event.stateKey === ''
    case 'm.room.member': {
      const membership = membershipOf(event.content)
      return (membership === 'leave' || membership === 'ban') && event.sender !== event.stateKey
    }
    default:
      return false
  }
}

/**
 * "Select the set X of all power events that appear in the full conflicted set. For each such power event P, enlarge X by
 * adding the events in the auth chain of P which also belong to the full conflicted set. Sort X into a list using the
 * reverse topological power ordering." NOTSPEC: as in other servers, the chain is followed within the full conflicted set
 * only, and only the links within X are kept in order.
 */
export function* powerOrder(
  work: ResolutionWork,
  full: ReadonlyMap<number, ResolvableEvent>,
): Resumable<readonly ResolvableEvent[]> {
  const chosen = yield* withChains(work, full)
  yield* loadAhead(
    work,
    'events',
    chosen.values().flatMap((event) => event.authEvents),
  )
  const levels = new SenderLevels(work)
  const nodes = new Map<number, PowerNode>()
  for (const event of chosen) {
    nodes.set(event.number, { event, level: levels.of(event), waitsFor: 0, followers: [] })
    yield* spend(work.meter, 1)
  }
  return yield* sortTopologically(work, nodes)
}

/** An event with the number of its auth events that are still to come, and the events that it is an auth event of. */
interface PowerNode {
  readonly event: ResolvableEvent
  readonly level: number
  waitsFor: number
  readonly followers: PowerNode[]
}

function* withChains(
  { meter }: ResolutionWork,
  full: ReadonlyMap<number, ResolvableEvent>,
): Resumable<ReadonlySet<ResolvableEvent>> {
  const chosen = new Set<ResolvableEvent>()
  for (const event of full.values()) {
    if (isPowerEvent(event)) chosen.add(event)
    if (meter.count(1)) yield { kind: 'breathe' }
  }
  // What is added while the set is being walked is walked too.
  for (const event of chosen) {
    for (const number of event.authEvents) {
      const parent = full.get(number)
      if (parent !== undefined) chosen.add(parent)
    }
    if (meter.count(event.authEvents.length)) yield { kind: 'breathe' }
  }
  return chosen
}

/**
 * "sorting the events using Kahn's algorithm for topological sorting, and at each step selecting, among all the candidate
 * vertices, the smallest vertex using the above comparison relation."
 */
function* sortTopologically(
  { meter }: ResolutionWork,
  nodes: ReadonlyMap<number, PowerNode>,
): Resumable<readonly ResolvableEvent[]> {
  for (const node of nodes.values()) {
    for (const number of new Set(node.event.authEvents)) {
      const parent = nodes.get(number)
      if (parent === undefined) continue
      parent.followers.push(node)
      node.waitsFor++
    }
    yield* spend(meter, node.event.authEvents.length)
  }
  const candidates = new PriorityQueue<PowerNode>(comesBefore)
  for (const node of nodes.values()) {
    if (node.waitsFor === 0) candidates.push(node)
    yield* spend(meter, 1)
  }
  const sorted: ResolvableEvent[] = []
  for (let node = candidates.pop(); node !== undefined; node = candidates.pop()) {
    sorted.push(node.event)
    for (const follower of node.followers) if (--follower.waitsFor === 0) candidates.push(follower)
    yield* spend(meter, 1)
  }
  return sorted
}

function comesBefore(x: PowerNode, y: PowerNode): boolean {
  // "x's sender has greater power level than y's sender, when looking at their respective auth_events"
  if (x.level !== y.level) return x.level > y.level
  return compareByTime(x.event, y.event) < 0
}

/** "x's origin_server_ts is less than y's"; or these are the same, "but x's event_id is less than y's event_id". */
export function compareByTime(x: ResolvableEvent, y: ResolvableEvent): number {
  return x.originServerTs - y.originServerTs || compareCodePoints(x.eventId, y.eventId)
}

/** The auth event of an event under this type and the empty state key. Throws MissingEvents. */
export function authEventOfType(
  source: ResolutionSource,
  event: ResolvableEvent,
  type: string,
): ResolvableEvent | undefined {
  for (const number of event.authEvents) {
    const candidate = loadedEvent(source, number)
    if (candidate.type === type && candidate.stateKey === '') return candidate
  }
  return undefined
}

/** Power levels of senders by the auth events of what they have sent; each power levels event is read once. */
class SenderLevels {
  readonly #work: ResolutionWork
  readonly #read = new Map<string, PowerLevels>()

  constructor(work: ResolutionWork) {
    this.#work = work
  }

  /** The level of the event's sender. The auth events are in memory. */
  of(event: ResolvableEvent): number {
    const { source, impliedCreate } = this.#work
    const create = impliedCreate ?? authEventOfType(source, event, 'm.room.create')
    const levels = authEventOfType(source, event, 'm.room.power_levels')
    return this.#read
      .getOrInsertComputed(`${create?.number} ${levels?.number}`, () => this.#levelsOf(create, levels))
      .userLevel(event.sender)
  }

  #levelsOf(create: ResolvableEvent | undefined, levels: ResolvableEvent | undefined): PowerLevels {
    const { rules } = this.#work
    const creators = create === undefined ? [] : creatorsOf(rules, create.sender, create.content)
    return readPowerLevels(rules, levels?.content, creators)
  }
}
