/**
 * Hosts that come, go, hang and lose their database, from a seed. Whatever happens: what was acknowledged is in the log exactly once, no
 * transaction is there twice, and a read sees everything that had been acknowledged when it began.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { seededRandom } from '#test/support/manual-clock.ts'
import { askCounter, ModelWorld, type ModelHost } from '#test/support/model-host.ts'
import { openActorClient, type ActorClientProcess } from './client-process.ts'

const keys = ['a', 'b', 'c', 'd', 'e', 'f']
const read = { kind: 'read', body: {}, options: { timeoutMs: 6000 } } as const

interface Asked {
  readonly key: string
  readonly txn: string
  outcome: 'open' | 'acknowledged' | 'failed'
}

class Simulation {
  readonly world = new ModelWorld(8)
  readonly #fraction: () => number
  readonly #asked: Asked[] = []
  readonly #acknowledged = new Map<string, Set<string>>(keys.map((key) => [key, new Set()]))
  readonly #wrong: string[] = []
  #hosts: ModelHost[] = []
  #client: ActorClientProcess | undefined
  #open = 0

  constructor(seed: number) {
    const random = seededRandom(seed * 104_729)
    this.#fraction = () => random.fraction()
  }

  async run(steps: number): Promise<void> {
    const { world } = this
    for (let i = 0; i < 3; i++) this.#hosts.push(await world.start())
    this.#client = await openActorClient({
      bus: world.bus,
      clock: world.clock,
      random: seededRandom(5),
      shardCount: world.shardCount,
      owners: async () => world.cluster.states(),
    })
    for (let i = 0; i < steps; i++) {
      await this.#step()
      await world.clock.advance(this.#chance(0.1) ? this.#below(1500) : this.#below(30))
    }
    for (const { cluster } of this.#hosts) cluster.mute = cluster.unreachable = false
    await world.clock.advance(20_000)
    await this.#check()
  }

  async #step(): Promise<void> {
    const dice = this.#fraction()
    if (dice < 0.55) this.#add()
    else if (dice < 0.75) this.#read()
    else if (dice < 0.85) this.world.store.fault(this.#chance(0.5) ? 'weather' : 'lost-answer')
    else if (dice < 0.9) this.#forAWhile((host, on) => (host.cluster.mute = on))
    else if (dice < 0.94) this.#forAWhile((host, on) => (host.cluster.unreachable = on))
    else if (dice < 0.97) await this.#replace((host) => this.#kill(host))
    else await this.#replace((host) => void host.host.drain())
  }

  /** A new transaction, or an old one again, as a client does that has had no answer. */
  #add(): void {
    const old = this.#chance(0.2) ? this.#asked[this.#below(this.#asked.length)] : undefined
    const asked: Asked = {
      key: old?.key ?? this.#key(),
      txn: old?.txn ?? `t${this.#asked.length}`,
      outcome: 'open',
    }
    this.#asked.push(asked)
    const body = { by: 1, txnKey: asked.txn }
    this.#track(
      askCounter(this.#asker(), asked.key, { kind: 'add', body, options: { timeoutMs: 6000 } }).then(
        () => {
          asked.outcome = 'acknowledged'
          this.#acknowledged.get(asked.key)?.add(asked.txn)
        },
        () => (asked.outcome = 'failed'),
      ),
    )
  }

  #read(): void {
    const key = this.#key()
    const atLeast = this.#acknowledged.get(key)?.size ?? 0
    this.#track(
      askCounter(this.#asker(), key, read).then(
        ({ sum }) => {
          if (sum < atLeast) this.#wrong.push(`${key}: read ${sum} after ${atLeast} had been acknowledged`)
        },
        () => {},
      ),
    )
  }

  #track(asked: Promise<unknown>): void {
    this.#open++
    void asked.then(() => this.#open--)
  }

  #forAWhile(set: (host: ModelHost, on: boolean) => void): void {
    const host = this.#hosts[this.#below(this.#hosts.length)]
    if (host === undefined) return
    set(host, true)
    this.world.clock.after(this.#below(9000), () => set(host, false))
  }

  async #replace(end: (host: ModelHost) => Promise<void> | void): Promise<void> {
    const [host, ...others] = this.#hosts
    if (host === undefined) return
    this.#hosts = [...others, await this.world.start()]
    await end(host)
  }

  async #kill({ host, cluster }: ModelHost): Promise<void> {
    const record = this.world.cluster.hosts.get(host.hostId)
    if (record !== undefined) record.connected = false
    cluster.unreachable = true
    await host.stop()
  }

  async #check(): Promise<void> {
    assert.equal(this.#open, 0, 'every request has ended')
    assert.deepEqual(this.#wrong, [])
    const acknowledged = this.#asked.filter(({ outcome }) => outcome === 'acknowledged')
    assert.ok(
      acknowledged.length > 30,
      `only ${acknowledged.length} of ${this.#asked.length} were acknowledged`,
    )
    const { store, shardCount } = this.world
    const rows = Array.from({ length: shardCount }, (_, shard) => store.log(shard)).flat()
    const txns = rows.map(({ row }) => row.txnKey)
    assert.equal(new Set(txns).size, txns.length, 'no transaction is there twice')
    const stored = new Set(txns)
    for (const { key, txn } of acknowledged)
      assert.ok(stored.has(txn), `${key} ${txn} was acknowledged and is lost`)
    for (const key of keys) {
      const state = await this.world.load({ key, shard: this.#shardOf(key) })
      const asking = askCounter(this.#asker(), key, read)
      await this.world.clock.advance(500)
      assert.equal((await asking).sum, state.sum, `${key} in memory is what the log says`)
    }
    await Promise.all(this.#hosts.map(({ host }) => host.stop()))
  }

  #shardOf(key: string): number {
    return this.#client?.asker.shardOf(key) ?? 0
  }

  #asker(): Pick<ModelHost['host'], 'asker'> {
    const hosts = this.#hosts.map(({ host }) => host)
    const chosen = hosts[this.#below(hosts.length + 1)] ?? this.#client
    assert(chosen)
    return chosen
  }

  #key(): string {
    return keys[this.#below(keys.length)] ?? 'a'
  }

  #below(limit: number): number {
    return Math.floor(this.#fraction() * limit)
  }

  #chance(probability: number): boolean {
    return this.#fraction() < probability
  }
}

for (let seed = 1; seed <= 20; seed++) {
  test(`nothing acknowledged is lost or counted twice, seed ${seed}`, { timeout: 60_000 }, async () => {
    await new Simulation(seed).run(300)
  })
}
