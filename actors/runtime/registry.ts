/** The activations of one shard, by kind and key. */

import type { ActorKind } from '../bus/subjects.ts'
import { Activation } from './activation.ts'
import type { AnyDefinition } from './contract.ts'
import type { Lane } from './lane.ts'
import type { ActivationServices } from './services.ts'

export class Registry {
  readonly #lane: Lane
  readonly #services: ActivationServices
  readonly #kinds = new Map<ActorKind, { definition: AnyDefinition; activations: Map<string, Activation> }>()
  /** Activations that are not over, among them those that are gone and have a successor already. */
  readonly #all = new Set<Activation>()

  constructor(lane: Lane, services: ActivationServices, definitions: readonly AnyDefinition[]) {
    this.#lane = lane
    this.#services = services
    for (const definition of definitions) {
      this.#kinds.set(definition.kind, { definition, activations: new Map() })
    }
  }

  get size(): number {
    return this.#all.size
  }

  get activations(): Iterable<Activation> {
    return this.#all
  }

  /** The activation that takes requests for this key, loaded if need be; undefined where there is no such kind of actor. */
  activate(kind: ActorKind, key: string): Activation | undefined {
    const of = this.#kinds.get(kind)
    if (of === undefined) return undefined
    const present = of.activations.get(key)
    if (present !== undefined && present.state !== 'gone' && present.state !== 'draining') return present
    const activation = new Activation({
      definition: of.definition,
      key,
      lane: this.#lane,
      services: this.#services,
      predecessor: present,
      onEnd: (ended) => {
        this.#all.delete(ended)
        if (of.activations.get(key) === ended) of.activations.delete(key)
      },
    })
    of.activations.set(key, activation)
    this.#all.add(activation)
    return activation
  }

  /** Puts everything to sleep. Resolves when the last one is gone and what it decided is durable or has failed. */
  async passivateAll(): Promise<void> {
    await Promise.all([...this.#all].map((activation) => activation.passivate()))
  }

  /** Ends everything at once. */
  discardAll(why: string): void {
    for (const activation of this.#all) activation.discard(why)
  }
}
