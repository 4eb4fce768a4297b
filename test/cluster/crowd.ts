/**
 * A crowd of clients that talk in the same rooms while a test does harm to the servers; afterwards it says whether anything went wrong.
 * Who is in which room, who says what and when, follows from the seed; what the servers make of it does not.
 */

import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '#actors/runtime/clock.ts'
import type { Database } from '#storage/pool.ts'
import { seededRandom } from '../support/manual-clock.ts'
import { type MatrixUser, register } from '../support/matrix.ts'
import { check, type Finding } from './checker.ts'
import { Errands, moodType } from './errands.ts'
import type { History, Send } from './history.ts'
import type { Failure } from './persistence.ts'
import { OwnerWatch, readEvents, readLog } from './stored.ts'
import { Talker } from './talker.ts'

export interface CrowdOptions {
  /** The gateways; clients are dealt out to them in turn, and go to another when theirs does not answer. */
  readonly urls: readonly string[]
  readonly database: Database
  readonly seed: number
  readonly users: number
  readonly rooms: number
  /** Longest pause between two messages of one client, milliseconds. */
  readonly thinkMs: number
  /** Share of messages that are sent again after their acknowledgement. */
  readonly repeats?: number
  /** Longest pause between two things that a client does beside talking; absent: it only talks. */
  readonly errandMs?: number
  /** How long a client repeats a request in vain before the run has failed, milliseconds. */
  readonly patienceMs?: number
}

const pollMs = 20

/** A seed of the environment, to see a failure again, or a new one. */
export function seedOfRun(): number {
  const given = Number(process.env['TEST_SEED'])
  return Number.isSafeInteger(given) && given > 0 ? given : 1 + Math.floor(Math.random() * 1_000_000)
}

/** Registers the users, makes the rooms and lets everybody talk. Rejects when a user cannot register, join or talk. */
export async function startCrowd(options: CrowdOptions): Promise<Crowd> {
  const random = seededRandom(options.seed)
  const users = await Promise.all(
    Array.from({ length: options.users }, (_, n) =>
      register(options.urls[n % options.urls.length] ?? '', `talker${n}`),
    ),
  )
  const members = new Map<MatrixUser, string[]>(users.map((user) => [user, []]))
  for (let room = 0; room < options.rooms; room++) {
    const [creator, ...others] = choose(users, random)
    assert.ok(creator !== undefined)
    const roomId = await creator.createRoom({
      preset: 'public_chat',
      name: `Room ${room}`,
      power_level_content_override: { events: { [moodType]: 0 } },
    })
    for (const user of others) await user.join(roomId)
    for (const user of [creator, ...others]) members.get(user)?.push(roomId)
  }
  return new Crowd(options, members)
}

/** Between half of the users and all of them, in any order. */
function choose(users: readonly MatrixUser[], random: Random): MatrixUser[] {
  const shuffled = users
    .map((user) => ({ user, order: random.fraction() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ user }) => user)
  const least = Math.ceil(users.length / 2)
  return shuffled.slice(0, least + Math.floor(random.fraction() * (users.length - least + 1)))
}

export class Crowd implements AsyncDisposable {
  readonly #options: CrowdOptions
  readonly #abort = new AbortController()
  readonly #talkers: readonly Talker[]
  readonly #errands: readonly Errands[]
  readonly roomIds: readonly string[]
  #watch: OwnerWatch
  #database: Database
  readonly #talks: readonly Promise<void>[]
  readonly #listens: readonly Promise<void>[]
  readonly #failed = Promise.withResolvers<never>()
  #failure: Error | undefined

  constructor(options: CrowdOptions, members: ReadonlyMap<MatrixUser, readonly string[]>) {
    this.#options = options
    this.roomIds = [...new Set([...members.values()].flat())]
    const talking = [...members].filter(([, roomIds]) => roomIds.length > 0)
    const mates = (roomId: string, userId: string): MatrixUser[] =>
      talking.flatMap(([user, ids]) => (ids.includes(roomId) && user.userId !== userId ? [user] : []))
    this.#talkers = talking.map(([user, roomIds], n) => {
      const { thinkMs, repeats = 0.1, urls, patienceMs } = options
      return new Talker({
        user,
        roomIds,
        mates: (roomId) => mates(roomId, user.userId),
        urls,
        thinkMs,
        repeats,
        random: seededRandom(options.seed * 1000 + n),
        signal: this.#abort.signal,
        ...(patienceMs === undefined ? {} : { patienceMs }),
      })
    })
    // Not everybody who runs a crowd waits for this.
    this.#failed.promise.catch(() => {})
    this.#database = options.database
    this.#watch = new OwnerWatch(options.database)
    this.#listens = this.#talkers.map((talker) => this.#guard(talker.listen()))
    const { errandMs } = options
    this.#errands =
      errandMs === undefined
        ? []
        : this.#talkers.map((talker, n) => {
            const random = seededRandom(options.seed * 1000 + 500 + n)
            return new Errands({
              talker,
              mates: (roomId) => mates(roomId, talker.userId),
              random,
              pauseMs: errandMs,
            })
          })
    this.#talks = [
      ...this.#talkers.map((talker) => this.#guard(talker.talk())),
      ...this.#errands.map((errands) => this.#guard(errands.run())),
    ]
  }

  /** Rejects as soon as a client was refused or has lost its patience; never resolves. */
  get failed(): Promise<never> {
    return this.#failed.promise
  }

  /** Messages that have been acknowledged. */
  get acknowledged(): number {
    return this.#talkers.reduce(
      (sum, { sends }) => sum + sends.filter((send) => send.eventIds.length > 0).length,
      0,
    )
  }

  /**
   * Resolves when every room has acknowledged a message and every client's sync has been answered by attempts that began now or later.
   * Returns the milliseconds until then; rejects after the limit, and when a client was refused.
   */
  async everybodyIsServed(limitMs: number): Promise<number> {
    const sinceMs = performance.now()
    const isServed = (roomId: string): boolean =>
      this.#talkers.some((talker) => (talker.sentAtMs.get(roomId) ?? -Infinity) >= sinceMs)
    await this.until(
      () => this.roomIds.every(isServed) && this.#talkers.every((talker) => talker.syncedAtMs >= sinceMs),
      limitMs,
      () => {
        const rooms = this.roomIds.filter((roomId) => !isServed(roomId))
        const clients = this.#talkers
          .filter((talker) => talker.syncedAtMs < sinceMs)
          .map(({ userId }) => userId)
        return `nobody answers for rooms [${rooms.join(', ')}] and the syncs of [${clients.join(', ')}]`
      },
    )
    return performance.now() - sinceMs
  }

  /** Resolves when so many more messages have been acknowledged. */
  async talkOn(messages: number, limitMs: number): Promise<void> {
    const goal = this.acknowledged + messages
    await this.until(
      () => this.acknowledged >= goal,
      limitMs,
      () => `only ${this.acknowledged} messages of ${goal} are acknowledged`,
    )
  }

  /** Waits for a condition while the crowd talks. Rejects after the limit, and at once when a client was refused. */
  async until(
    condition: () => boolean | Promise<boolean>,
    limitMs: number,
    complaint: () => string,
  ): Promise<void> {
    const endMs = performance.now() + limitMs
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      if (await condition()) return
      if (performance.now() > endMs)
        throw new Error(`after ${limitMs} ms ${complaint()} (${this.#seedText()})`)
      await delay(pollMs)
    }
  }

  /**
   * Says something in every room, now, and waits until each is acknowledged and every client in the room has been told of it. Returns the
   * milliseconds since the given moment, which is now unless said otherwise; rejects after the limit.
   */
  async recovery(limitMs: number, sinceMs = performance.now()): Promise<number> {
    const said: { roomId: string; eventId: string }[] = []
    for (const roomId of this.roomIds) {
      const talker = this.#talkers.find((one) => one.roomIds.includes(roomId))
      assert.ok(talker !== undefined)
      void this.#guard(talker.say(roomId).then((eventId) => void said.push({ roomId, eventId })))
    }
    const unheard = (): string[] =>
      this.#talkers.flatMap((talker) =>
        said
          .filter(({ roomId, eventId }) => talker.roomIds.includes(roomId) && !talker.knows([eventId]))
          .map(
            ({ roomId, eventId }) =>
              `${talker.userId}: ${eventId} of ${roomId} (its last sync: ${talker.syncAge()})`,
          ),
      )
    await this.until(
      () => said.length === this.roomIds.length && unheard().length === 0,
      limitMs,
      () =>
        `${said.length} of ${this.roomIds.length} rooms accept messages; unheard: ${unheard().join(', ')}`,
    )
    return performance.now() - sinceMs
  }

  /** From now on this is the database; who owned what before is forgotten. */
  watch(database: Database): void {
    this.#watch[Symbol.dispose]()
    this.#database = database
    this.#watch = new OwnerWatch(database)
  }

  /** What has become of the messages that were acknowledged so far. */
  async fates(): Promise<{ readonly kept: number; readonly lost: readonly Send[] }> {
    const acknowledged = this.#talkers.flatMap(({ sends }) =>
      sends.filter((send) => send.eventIds.length > 0),
    )
    const events = await readEvents(this.#database, this.roomIds)
    const stored = new Set(events.map((event) => event.eventId))
    const lost = acknowledged.filter((send) => !send.eventIds.every((eventId) => stored.has(eventId)))
    return { kept: acknowledged.length - lost.length, lost }
  }

  /** Messages whose acknowledgement came in that time. */
  acknowledgedBetween(fromMs: number, toMs: number): number {
    const isWithin = (atMs = -Infinity): boolean => atMs >= fromMs && atMs <= toMs
    return this.#talkers.reduce(
      (sum, { sends }) => sum + sends.filter((send) => isWithin(send.returnedAtMs)).length,
      0,
    )
  }

  /** From now on the clients go to these gateways, dealt out in turn. */
  prefer(urls: readonly string[]): void {
    for (const [n, { user }] of this.#talkers.entries()) user.url = urls[n % urls.length] ?? user.url
  }

  /** Attempts of requests that came to nothing since then: the client had to repeat them. */
  failuresSince(fromMs: number): Failure[] {
    return this.#talkers.flatMap(({ failures }) => failures.filter(({ atMs }) => atMs >= fromMs))
  }

  /** The longest that a message under way in that time had to wait within it for its acknowledgement, milliseconds. */
  longestWaitMs(fromMs: number, toMs = performance.now()): number {
    const waits = this.#talkers
      .flatMap(({ sends }) => sends)
      .map((send) => Math.min(send.returnedAtMs ?? toMs, toMs) - Math.max(send.invokedAtMs, fromMs))
    return Math.max(0, ...waits)
  }

  /** How long each message waited that was begun in that time, until its end at the most, milliseconds. */
  waits(fromMs: number, toMs: number): number[] {
    return this.#talkers
      .flatMap(({ sends }) => sends)
      .filter((send) => send.invokedAtMs >= fromMs && send.invokedAtMs <= toMs)
      .map((send) => Math.min(send.returnedAtMs ?? toMs, toMs) - send.invokedAtMs)
  }

  /** Lets everybody finish and hear everything, and says what the rules find wrong, if anything, by an assertion. */
  async assertNothingWentWrong(): Promise<void> {
    const { findings, history } = await this.verdict()
    const shown = findings.slice(0, 20).join('\n')
    assert.equal(findings.length, 0, `${findings.length} findings (${this.#seedText()}):\n${shown}`)
    assert.ok(history.sends.length > 0, 'nobody said anything')
  }

  /** Lets everybody finish and hear everything. Returns what happened and what the rules find wrong with it. */
  async verdict(): Promise<{ readonly findings: Finding[]; readonly history: History }> {
    const history = await this.#quiesce()
    return { findings: check(history), history }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const talker of this.#talkers) {
      talker.hush()
      talker.leave()
    }
    this.#abort.abort(new Error('the test is over'))
    await Promise.allSettled([...this.#talks, ...this.#listens])
    this.#watch[Symbol.dispose]()
  }

  async #quiesce(): Promise<History> {
    for (const talker of this.#talkers) talker.hush()
    await Promise.all(this.#talks)
    if (this.#failure !== undefined) throw this.#failure
    const sends = this.#talkers.flatMap((talker) => talker.sends)
    await this.#everythingHeard(sends)
    for (const talker of this.#talkers) talker.leave()
    await Promise.all(this.#listens)
    if (this.#failure !== undefined) throw this.#failure
    const database = this.#database
    const states = await Promise.all(this.#talkers.map((talker) => talker.states()))
    return {
      sends: this.#talkers.flatMap((talker) => talker.sends),
      states: states.flat(),
      whispers: this.#errands.flatMap((errands) => errands.whispers),
      ears: this.#talkers.map((talker) => talker.ear),
      claims: this.#errands.flatMap((errands) => errands.claims),
      timelines: this.#talkers.flatMap((talker) => talker.timelines),
      log: await readLog(database),
      events: await readEvents(database, this.roomIds),
      owners: this.#watch.seen,
    }
  }

  /** What has not arrived after a while is lost: the rules will say what it is. */
  async #everythingHeard(sends: History['sends']): Promise<void> {
    const byRoom = Map.groupBy(sends, (send) => send.roomId)
    const heard = (): boolean =>
      this.#talkers.every((talker) =>
        talker.roomIds.every((roomId) =>
          talker.knows((byRoom.get(roomId) ?? []).flatMap((send) => send.eventIds)),
        ),
      )
    const endMs = performance.now() + 10_000
    while (!heard() && performance.now() < endMs && this.#failure === undefined) await delay(100)
  }

  async #guard(work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      if (this.#abort.signal.aborted) return
      this.#failure ??= new Error(`a client failed (${this.#seedText()})`, { cause: error })
      this.#failed.reject(this.#failure)
    }
  }

  #seedText(): string {
    return `TEST_SEED=${this.#options.seed}`
  }
}
