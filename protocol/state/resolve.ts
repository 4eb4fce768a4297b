/**
 * The resolution of several states of a room into one, by the algorithm of its version. Room versions v1.19, "State
 * resolution".
 *
 * It works on the difference of the states, so that two states of ten thousand members which differ in two cost what two cost. It is
 * a generator that its caller drives: it pauses to let others run, and to have loaded what it needs and does not
 * find in memory. Nothing is changed before it returns, so it can be abandoned at any pause.
 */
import type { RoomVersionRules } from '../versions/rules.ts'
import { conflictedEvents, findConflict, type Conflict } from './conflict.ts'
import type { ResolutionWork } from './power-order.ts'
import { loadedEvent, Meter, settle, walkTrie } from './resolution-source.ts'
import type { MeteredSource, ResolutionSource, ResolvableEvent, Resumable } from './resolution-source.ts'
import { resolveV1 } from './resolve-v1.ts'
import { resolveV2 } from './resolve-v2.ts'
import { StateKeys } from './state-keys.ts'
import { stateKeyHash, type KeyHash, type NodeId } from './trie-node.ts'
import { updateSteps, type TrieUpdate } from './trie-update.ts'
import { trieGet } from './trie.ts'
import { UnconflictedState, type ComparedStates } from './unconflicted-state.ts'

/** How much a resolution may do, in the units of `Meter`. */
export interface ResolutionBudget {
  /** Between two pauses. */
  readonly unitsPerTurn: number
  /** In all; beyond it ResolutionTooLarge is thrown. */
  readonly units: number
}

/** Turns of a few milliseconds, and at most some seconds in all. */
export const defaultBudget: ResolutionBudget = { unitsPerTurn: 500, units: 5_000_000 }

/** The resolution, as the change that it makes in the first of the states. */
export interface Resolution extends TrieUpdate {
  /** The entries in which the states differed. */
  readonly conflict: Conflict
  /** The entries that differ from those of the first state; without a number they are not set any more. */
  readonly changes: ReadonlyMap<KeyHash, number | undefined>
}

/**
 * Resolves states, given by their roots; their order does not matter. Throws ResolutionTooLarge, and RangeError
 * for no states at all or more than 30.
 */
export function* resolveStates(
  rules: RoomVersionRules,
  source: ResolutionSource,
  roots: readonly NodeId[],
  budget: ResolutionBudget = defaultBudget,
): Resumable<Resolution> {
  const [first] = roots
  if (first === undefined) throw new RangeError('There is no state to resolve.')
  const meter = new Meter(budget.unitsPerTurn, budget.units)
  const conflict = yield* findConflict(source.nodes, roots, meter)
  if (conflict.size === 0) return { root: first, created: [], conflict, changes: new Map() }
  const keys = new StateKeys()
  const states: ComparedStates = {
    roots,
    conflict,
    conflicted: yield* conflictedEvents(conflict, meter),
    unconflicted: new UnconflictedState({ source, meter, keys }, { root: first, conflict }),
  }
  const impliedCreate = rules.roomIdIsCreateHash ? yield* settle(() => createEvent(source, first)) : undefined
  const work: ResolutionWork = { rules, source, meter, keys, impliedCreate }
  const resolved =
    rules.stateResolution === 'v1' ? yield* resolveV1(work, states) : yield* resolveV2(work, states)
  const changes = yield* changesFromFirst(work, conflict, resolved)
  const update = yield* walkTrie(meter, updateSteps(source.nodes, first, changes))
  return { ...update, conflict, changes }
}

function createEvent(source: ResolutionSource, root: NodeId): ResolvableEvent | undefined {
  const number = trieGet(source.nodes, root, stateKeyHash('m.room.create', ''))
  return number === undefined ? undefined : loadedEvent(source, number)
}

function* changesFromFirst(
  { meter }: MeteredSource,
  conflict: Conflict,
  resolved: ReadonlyMap<KeyHash, number>,
): Resumable<Map<KeyHash, number | undefined>> {
  const changes = new Map<KeyHash, number | undefined>()
  for (const [key, [before]] of conflict) {
    const after = resolved.get(key)
    if (after !== before) changes.set(key, after)
    if (meter.count(1)) yield { kind: 'breathe' }
  }
  // The auth difference can bring back an entry that none of the states has.
  for (const [key, number] of resolved) {
    if (!conflict.has(key)) changes.set(key, number)
    if (meter.count(1)) yield { kind: 'breathe' }
  }
  return changes
}
