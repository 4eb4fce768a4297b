/** How long the resolution of a fork takes, how long it keeps the event loop, and how much of the room it looks at. */

import { medianOf } from './own-time.ts'
import type { Fork } from './protocol-rooms.ts'
import type { ResolutionPause, ResolutionSource, ResolvableEvent } from '#protocol/state/resolution-source.ts'
import { resolveStates } from '#protocol/state/resolve.ts'
import type { NodeId, TrieNode } from '#protocol/state/trie-node.ts'

/** The milliseconds of each turn between two pauses of one resolution. */
export type Turns = readonly number[]

/** What a resolution that has been repeated has cost, in milliseconds. */
export interface ResolutionCost {
  readonly turns: number
  readonly totalMs: number
  readonly longestTurnMs: number
  /** The same of the very first run, whose code has not been compiled yet. */
  readonly firstTotalMs: number
  readonly firstLongestTurnMs: number
}

/** What a resolution asks for when nothing is in memory. */
export interface ResolutionReach {
  /** Keys in which the states differ. */
  readonly conflicts: number
  /** Keys that the resolution changes in the first of them. */
  readonly changes: number
  readonly events: number
  /** Events of which only the place in the graph is looked at. */
  readonly links: number
  readonly nodes: number
  /** How often it stops to have something loaded. */
  readonly loads: number
}

/**
 * Resolves the two ends of a fork with everything in memory, this often. The turns of all runs are the same work, so that the median of
 * each is free of what else has happened on the machine.
 */
export function timeResolution(fork: Fork, runs: number): ResolutionCost {
  const all = Array.from({ length: runs }, () => turnsOf(fork))
  const first = all[0] ?? []
  const typical = first.map((_, turn) => medianOf(all.map((turns) => turns[turn] ?? 0)))
  return {
    turns: typical.length,
    totalMs: sumOf(typical),
    longestTurnMs: Math.max(...typical),
    firstTotalMs: sumOf(first),
    firstLongestTurnMs: Math.max(...first),
  }
}

function turnsOf({ room, tips }: Fork): Turns {
  const roots = tips.map((tip) => tip.after)
  const steps = resolveStates(room.rules, room, roots)
  const turns: number[] = []
  for (let isDone = false; !isDone;) {
    const before = performance.now()
    isDone = steps.next().done === true
    turns.push(performance.now() - before)
  }
  return turns
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}

/** Resolves the two ends of a fork with nothing in memory but what has been asked for. */
export function reachOfResolution({ room, tips }: Fork): ResolutionReach {
  const source = new CountingSource(room)
  const steps = resolveStates(
    room.rules,
    source,
    tips.map((tip) => tip.after),
  )
  let loads = 0
  for (;;) {
    const step = steps.next()
    if (step.done === true) {
      const { conflict, changes } = step.value
      const [events, links, nodes] = [source.events.size, source.linksOnly, source.loadedNodes.size]
      return { conflicts: conflict.size, changes: changes.size, events, links, nodes, loads }
    }
    if (step.value.kind !== 'breathe') loads++
    source.load(step.value)
  }
}

/** A room of which only that is there which has been loaded. */
class CountingSource implements ResolutionSource {
  readonly #room: Fork['room']
  readonly #links = new Set<number>()
  readonly #citing = new Set<number>()
  readonly events = new Set<number>()
  readonly loadedNodes = new Set<NodeId>()
  readonly nodes = { get: (id: NodeId): TrieNode | undefined => this.#node(id) }

  constructor(room: Fork['room']) {
    this.#room = room
  }

  get linksOnly(): number {
    return this.#links.union(this.#citing).difference(this.events).size
  }

  event(number: number): ResolvableEvent | undefined {
    return this.events.has(number) ? this.#room.event(number) : undefined
  }

  links(number: number): ResolvableEvent | undefined {
    return this.#links.has(number) ? this.#room.event(number) : undefined
  }

  citing(number: number): readonly number[] | undefined {
    return this.#citing.has(number) ? this.#room.citing(number) : undefined
  }

  load(pause: ResolutionPause): void {
    if (pause.kind === 'load-nodes') for (const id of pause.ids) this.loadedNodes.add(id)
    if (pause.kind !== 'load-events') return
    const loaded = { events: this.events, links: this.#links, citing: this.#citing }[pause.wants]
    for (const number of pause.numbers) loaded.add(number)
  }

  #node(id: NodeId): TrieNode | undefined {
    return this.loadedNodes.has(id) ? this.#room.nodes.get(id) : undefined
  }
}
