/** Announces the heads of this host's shards on `log.<shard>`: `{epoch, head}`, on change, at most twenty times a second each. */

import type { Bus } from '../bus/bus.ts'
import { logSubject } from '../bus/subjects.ts'
import type { Clock, Random } from './clock.ts'
import { tellOwnership } from './ownership-messages.ts'

interface Announcement {
  epoch: number
  head: number
  sentAtMs: number
  /** Changed since it was sent. */
  due: boolean
}

const intervalMs = 50
/**
 * What was sent on a connection just before it was lost may be lost too, and a new one may lead to a node that does not know
 * yet who listens at the others. So after each reconnection all heads are announced again, at these times, and with them that
 * replies may be missing; whoever missed something then asks for it.
 */
const againMs = [0, 300, 1000, 3000]

export class Announcer {
  readonly #bus: Bus
  readonly #clock: Clock
  readonly #shards = new Map<number, Announcement>()
  #armed = false

  constructor(bus: Bus, clock: Clock, random: Random) {
    this.#bus = bus
    this.#clock = clock
    bus.onHealth((healthy) => {
      if (!healthy) return
      const connection = Math.floor(random.fraction() * 2 ** 52)
      for (const ms of againMs) clock.after(ms, () => this.#repeat(connection))
    })
  }

  /** The shard's log now reaches this head. Sent at once, unless the last one was sent a moment ago. */
  announce(shard: number, epoch: number, head: number): void {
    const known = this.#shards.get(shard)
    if (known?.epoch === epoch && known.head === head) return
    const nowMs = this.#clock.monotonic()
    const announcement = known ?? { epoch, head, sentAtMs: Number.NEGATIVE_INFINITY, due: false }
    this.#shards.set(shard, announcement)
    announcement.epoch = epoch
    announcement.head = head
    if (nowMs - announcement.sentAtMs >= intervalMs) return this.#send(shard, announcement, nowMs)
    announcement.due = true
    this.#arm()
  }

  /** Nothing more is said of a shard that is another host's. */
  forget(shard: number): void {
    this.#shards.delete(shard)
  }

  #repeat(connection: number): void {
    tellOwnership(this.#bus, { kind: 'reconnected', shards: [...this.#shards.keys()], connection })
    const nowMs = this.#clock.monotonic()
    for (const [shard, announcement] of this.#shards) this.#send(shard, announcement, nowMs)
  }

  #send(shard: number, announcement: Announcement, nowMs: number): void {
    announcement.sentAtMs = nowMs
    announcement.due = false
    this.#bus.publish(logSubject(shard), { head: { epoch: announcement.epoch, head: announcement.head } })
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    this.#clock.after(intervalMs, () => {
      this.#armed = false
      const nowMs = this.#clock.monotonic()
      for (const [shard, announcement] of this.#shards) {
        if (!announcement.due) continue
        if (nowMs - announcement.sentAtMs >= intervalMs) this.#send(shard, announcement, nowMs)
        else this.#arm()
      }
    })
  }
}
