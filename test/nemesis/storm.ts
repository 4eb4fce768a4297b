/** A storm: one fault after the other, chosen by a seed, while a crowd talks. Faults may overlap. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '#actors/runtime/clock.ts'
import type { Database } from '#storage/pool.ts'
import type { Arena, Member } from './arena.ts'
import { dropSessions } from './database-faults.ts'

export interface StormOptions {
  readonly arena: Arena
  readonly database: Database
  readonly random: Random
  /** Told of every fault as it begins. */
  readonly tell: (what: string) => void
}

/** Longer than a lease, so that the shards of the host have other owners when it wakes up. */
const pauseMs = 7000
const slowMs = 3000
const lateMs = 150
const betweenMs = 4000

export class Storm {
  readonly #options: StormOptions
  readonly #paused = new Set<Member>()
  /** What goes on beside the next faults. */
  readonly #pending: Promise<void>[] = []

  constructor(options: StormOptions) {
    this.#options = options
  }

  /** Does harm for so long, and ends when everything is whole again. Rejects when something does not come back. */
  async rage(durationMs: number): Promise<void> {
    const faults: readonly (() => Promise<void> | void)[] = [
      () => this.#killHost(),
      () => this.#pauseHost(),
      () => this.#killGateway(),
      () => this.#restartNats(),
      () => this.#replaceHost(),
      () => this.#dropSessions(),
      () => this.#slowLines(),
    ]
    const endMs = performance.now() + durationMs
    // Each kind comes once before any comes again, so that a short storm has all of them.
    let left: (() => Promise<void> | void)[] = []
    while (performance.now() < endMs) {
      const nextMs = performance.now() + betweenMs
      if (left.length === 0) left = [...faults]
      const [fault] = left.splice(this.#pick(left.length), 1)
      await fault?.()
      await delay(Math.max(0, nextMs - performance.now()))
    }
    await Promise.all(this.#pending)
  }

  async #killHost(): Promise<void> {
    const { arena, tell } = this.#options
    const host = this.#oneOf(arena.hosts)
    if (host === undefined) return
    tell(`${host.name} is killed and started again`)
    this.#paused.delete(host)
    await host.process.kill()
    await arena.restart(host)
  }

  #pauseHost(): void {
    const { arena, tell } = this.#options
    const host = this.#oneOf(arena.hosts.filter((one) => !this.#paused.has(one)))
    // One host at least goes on.
    if (host === undefined || this.#paused.size + 1 >= arena.hosts.length) return
    tell(`${host.name} stands still for ${pauseMs} ms`)
    const { process } = host
    this.#paused.add(host)
    process.signal('SIGSTOP')
    this.#pending.push(
      delay(pauseMs).then(() => {
        this.#paused.delete(host)
        process.signal('SIGCONT')
      }),
    )
  }

  async #killGateway(): Promise<void> {
    const { arena, tell } = this.#options
    const gateway = this.#oneOf(arena.gateways)
    if (gateway === undefined) return
    tell(`${gateway.name} is killed and started again`)
    await gateway.process.kill()
    await arena.restart(gateway)
  }

  async #restartNats(): Promise<void> {
    const { arena, random, tell } = this.#options
    const awayMs = random.fraction() * 1500
    tell(`NATS is killed and away for ${awayMs.toFixed(0)} ms`)
    await arena.nats.kill()
    await delay(awayMs)
    await arena.nats.start()
  }

  async #replaceHost(): Promise<void> {
    const { arena, tell } = this.#options
    const old = this.#oneOf(arena.hosts.filter((one) => !this.#paused.has(one)))
    if (old === undefined) return
    const { name } = await arena.add('actors')
    tell(`${name} has come, ${old.name} drains and goes`)
    arena.forget(old)
    const code = await old.process.stop()
    // In the middle of a storm its answers may be waited for in vain: then it ends itself after five seconds, which must cost nothing.
    if (code === 1) tell(`${old.name} has cut its end short`)
    else if (code !== 0) throw new Error(`${old.name} ended with ${code} when it was stopped`)
  }

  async #dropSessions(): Promise<void> {
    this.#options.tell('all sessions of Postgres are ended')
    await dropSessions(this.#options.database)
  }

  #slowLines(): void {
    const { arena, tell } = this.#options
    const slow = [this.#oneOf(arena.hosts), this.#oneOf(arena.gateways)].filter((one) => one !== undefined)
    tell(`the lines of ${slow.map(({ name }) => name).join(' and ')} are ${lateMs} ms late for ${slowMs} ms`)
    for (const member of slow) {
      for (const line of [member.postgres, member.nats]) line.slow({ delayMs: lateMs })
    }
    this.#pending.push(
      delay(slowMs).then(() => {
        for (const member of slow) {
          for (const line of [member.postgres, member.nats]) line.heal()
        }
      }),
    )
  }

  #oneOf<T>(list: readonly T[]): T | undefined {
    return list[this.#pick(list.length)]
  }

  #pick(count: number): number {
    return Math.floor(this.#options.random.fraction() * count)
  }
}
