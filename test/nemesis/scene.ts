/** Where a storm rages: who may be harmed now, and what goes on beside the next faults. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '#actors/runtime/clock.ts'
import type { Database } from '#storage/pool.ts'
import type { Arena, Member, Role } from './arena.ts'

export interface SceneOptions {
  readonly arena: Arena
  readonly database: Database
  readonly random: Random
  /** Told of every fault as it begins. */
  readonly tell: (what: string) => void
  /** These are not ended, so that it can be seen what they hold after a long time. Everything else happens to them. */
  readonly spared?: ReadonlySet<Member>
}

/** What is done to members for a while. */
export interface Harm {
  readonly begin: (one: Member) => void
  readonly end: (one: Member) => void
  /** They do nothing meanwhile, so that others must. */
  readonly stops?: boolean
}

/** Does harm, or begins to. Resolves when the next fault may begin; rejects when something is not as it must be. */
export type Fault = (scene: Scene) => Promise<void> | void

export class Scene {
  readonly arena: Arena
  readonly database: Database
  readonly tell: (what: string) => void
  readonly #random: Random
  readonly #spared: ReadonlySet<Member>
  readonly #harmed = new Set<Member>()
  readonly #stopped = new Set<Member>()
  readonly #pending: Promise<void>[] = []

  constructor({ arena, database, random, tell, spared = new Set() }: SceneOptions) {
    this.arena = arena
    this.database = database
    this.tell = tell
    this.#random = random
    this.#spared = spared
  }

  /** Resolves when everything that was begun is over. Rejects when something did not come back. */
  async calm(): Promise<void> {
    await Promise.all(this.#pending.splice(0))
  }

  /** One of them by chance. */
  oneOf<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#random.fraction() * list.length)]
  }

  /** A number between two by chance. */
  between(least: number, most: number): number {
    return least + this.#random.fraction() * (most - least)
  }

  /** Somebody of this role who may be ended. */
  mortal(role: Role): Member | undefined {
    return this.oneOf(this.#of(role).filter((one) => !this.#spared.has(one)))
  }

  /** Somebody of this role to whom nothing is being done; one who may be ended where that is asked for. */
  unharmed(role: Role, wanted: 'any' | 'mortal' = 'any'): Member | undefined {
    const isWanted = (one: Member): boolean => wanted === 'any' || !this.#spared.has(one)
    return this.oneOf(this.#of(role).filter((one) => isWanted(one) && !this.#harmed.has(one)))
  }

  /** Whether a host would be left if one more stood still. */
  get canStop(): boolean {
    return this.#stopped.size + 1 < this.arena.hosts.length
  }

  /** Does something to members for a while, beside what comes next. Until then they are harmed. */
  forAWhile(members: readonly Member[], whileMs: number, { begin, end, stops = false }: Harm): void {
    for (const member of members) {
      this.#harmed.add(member)
      if (stops) this.#stopped.add(member)
      begin(member)
    }
    this.#pending.push(
      delay(whileMs).then(() => {
        for (const member of members) {
          this.released(member)
          end(member)
        }
      }),
    )
  }

  /** Whatever was being done to it, it is another process now. */
  released(member: Member): void {
    this.#harmed.delete(member)
    this.#stopped.delete(member)
  }

  #of(role: Role): Member[] {
    return role === 'actors' ? this.arena.hosts : this.arena.gateways
  }
}
