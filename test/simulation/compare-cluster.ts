/** A cluster on one of two databases: carries steps out, and looks at what has come of them. */

import type { ShardEpoch } from '#storage/cluster/shards.ts'
import type { Session } from '#storage/session.ts'
import type { Picture, Step } from './compare-cluster-script.ts'
import type { Side } from './compare-cluster-sides.ts'

export interface Look {
  readonly picture: Picture
  /** By host id, in milliseconds of the database's clock. */
  readonly renewedMsAgo: ReadonlyMap<number, number>
}

export class ComparedCluster implements AsyncDisposable {
  readonly #side: Side
  /** The sessions of each host that the server knows, the oldest first; the host uses the last. */
  readonly #sessions = new Map<number, Session[]>()

  constructor(side: Side) {
    this.#side = side
  }

  /** Answers what the function answers; what has no order is put into one. */
  async carryOut(step: Step): Promise<unknown> {
    const side = this.#side
    const { control, functions, reads } = side
    switch (step.kind) {
      case 'join': {
        const session = await this.#connect(step.host.hostId)
        return side.answer(functions.registerHost(session, step.host))
      }
      case 'renew': {
        const session = await this.#session(step.hostId)
        return side.answer(functions.renewHost(session, step.hostId, step.condition))
      }
      case 'renew again': {
        const session = await this.#connect(step.hostId)
        return side.answer(functions.renewHost(session, step.hostId, step.condition))
      }
      case 'lose':
        return this.#lose(step.hostId)
      case 'drain':
        return side.answer(functions.setDraining(control, step.hostId, step.draining))
      case 'claim':
        return sorted(await side.answer(functions.claimShards(control, step.hostId, step.seen)))
      case 'release':
        return side.answer(functions.releaseShard(control, step.hostId, step.owned))
      case 'leave':
        return side.answer(functions.unregisterHost(await this.#session(step.hostId), step.hostId))
      case 'forget others':
        return side.answer(functions.forgetOtherHosts(control, step.hostId))
      case 'forget dead':
        return side.answer(functions.forgetDeadHosts(control))
      case 'wait':
        return side.wait(step.ms)
      case 'write':
        return side.write(step.row)
      case 'bears out':
        return side.answer(functions.bearsOut(reads, step.held))
      case 'other server':
        return side.changeServer()
      case 'check':
        return side.answer(functions.checkIncarnation(control))
      case 'raise':
        return side.answer(functions.raiseIncarnation(control))
    }
  }

  async look(): Promise<Look> {
    const { functions, reads } = this.#side
    const [shards, hosts, dead, heads, counts] = await this.#side.answer(
      Promise.all([
        functions.listShards(reads),
        functions.listHosts(reads),
        functions.deadHosts(reads),
        functions.readHeads(reads),
        this.#side.counts(),
      ]),
    )
    return {
      picture: {
        incarnation: counts.incarnation,
        oneTimeKeys: counts.oneTimeKeys,
        shards: [...shards],
        heads: [...heads],
        // A host that states no weight has none, whichever way that is said.
        hosts: hosts.map(({ hostId, name, version, roles, weight, condition, draining, alive, shards }) => {
          return { hostId, name, version, roles, weight, condition, draining, alive, shards }
        }),
        dead: dead.toSorted((a, b) => a - b),
      },
      renewedMsAgo: new Map(hosts.map(({ hostId, renewedMsAgo }) => [hostId, renewedMsAgo])),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#sessions.values()].flat().map((session) => session[Symbol.asyncDispose]()))
    this.#sessions.clear()
  }

  async #session(hostId: number): Promise<Session> {
    return this.#sessions.get(hostId)?.at(-1) ?? this.#connect(hostId)
  }

  async #connect(hostId: number): Promise<Session> {
    const session = await this.#side.open()
    this.#sessions.getOrInsertComputed(hostId, () => []).push(session)
    return session
  }

  async #lose(hostId: number): Promise<void> {
    const session = this.#sessions.get(hostId)?.shift()
    if (session !== undefined) await this.#side.end(session)
  }
}

function sorted(claims: readonly ShardEpoch[]): ShardEpoch[] {
  return claims.toSorted((a, b) => a.shard - b.shard)
}
