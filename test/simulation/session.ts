/**
 * A session that begins and ends within a run. Its token is shown to every process again and again, and what each says of it is held
 * against the rows of the database: a process may take it for a session while that has been over for no more than a second, and whatever else
 * is said was so at some moment between question and answer.
 */

import type { SessionLookup } from '#gateway/http/session-cache.ts'
import type { UserId } from '#protocol/ids/user-id.ts'
import type { Asker } from '#actors/runtime/client.ts'
import { isOfTwoOwners } from './check-answers.ts'
import type { Entrance } from './cluster.ts'
import type { Process } from './kernel.ts'
import type { Asked, People } from './people.ts'
import { ConnectionLost } from './server.ts'
import type { World } from './world.ts'

/** Of everybody. */
export const passwordHash = 'no password'
/** Of a device that stays. */
const firstDevice = 'D0'
/** For so long a session may outlive its end where it is kept. Milliseconds. */
const promisedMs = 1000
/**
 * Of its life, milliseconds. It ends before this moment of the run, when faults are still to come, unless it has just begun; and its token is
 * shown for so long after its end.
 */
const overMs = 8000
const leastMs = 500
const afterMs = 3000
/** Of processes that know it before its end. */
const knownBefore = 0.7
/** How likely a process is shown it in a round: some again and again, some so seldom that what they keep may have grown old. */
const eagerness = { often: 0.7, seldom: 0.15 }
const oftenShown = 0.4
/** So near to the question for its end it is shown to everybody, and so often from then on. Milliseconds. */
const momentMs = 10
const roundMs = 300

/** How a session ends: by itself, as a device, because its device logs in again, or with all others but the first. */
const endings = ['logout', 'deletion', 'another login'] as const
type Ending = (typeof endings)[number] | 'password'
/** The last of these ends others as well, so that it comes seldom. */
const passwords = 0.1

/** Somebody logs in, shows the token here and there, ends the session, and goes on showing the token. */
export async function liveSession(world: World, people: People, userId: UserId, name: string): Promise<void> {
  using session = new ShownSession(world, userId, name)
  const { deviceId, tokenHash } = session
  const upTo = (ms: number): number => world.random.fraction() * ms
  const login = { passwordHash, session: { deviceId, tokenHash } }
  const begun = await people.insistOn('login', { userId, key: name }, async () => {
    await world.request(async (ask, through) => {
      await ask.ask('user', userId, 'login', login, { timeoutMs: 5000 })
      session.forgetAt(through, [deviceId])
    })
  })
  if (begun.outcome !== 'done') return
  session.checkOutcome(begun, true)

  const beforeMs = upTo(Math.max(leastMs, overMs - world.kernel.nowMs))
  const shows = world.entrances
    .filter(() => upTo(1) < knownBefore)
    .map((entrance) => session.show(entrance, upTo(beforeMs)))
  await world.sleep(beforeMs)
  // Who does not know it yet reads it while it ends.
  shows.push(...world.entrances.map((entrance) => session.show(entrance, upTo(momentMs))))
  let isOver = false
  const showing = showOften(world, session, () => isOver)
  const ending = drawEnding(world, userId)
  const ended = await people.insistOn('logout', { userId, key: `${name}: ${ending}` }, async () => {
    await world.request(async (ask, through) => {
      await end(ask, session, ending)
      session.forgetAt(through, ending === 'password' ? 'all' : [deviceId])
    })
  })
  if (ended.outcome === 'done') session.checkOutcome(ended, false)
  await world.sleep(afterMs)
  isOver = true
  await showing
  await Promise.all(shows)
}

async function showOften(world: World, session: ShownSession, isOver: () => boolean): Promise<void> {
  const { random } = world
  const shows: Promise<void>[] = []
  const likely = new Map<Entrance, number>()
  while (!isOver()) {
    for (const entrance of world.entrances) {
      const chance = likely.getOrInsertComputed(entrance, () =>
        random.fraction() < oftenShown ? eagerness.often : eagerness.seldom,
      )
      if (random.fraction() < chance) shows.push(session.show(entrance, random.fraction() * roundMs))
    }
    await world.sleep(random.fraction() * 2 * roundMs)
  }
  await Promise.all(shows)
}

/** Whoever has another device that syncs keeps it. */
function drawEnding({ devices, random }: World, userId: UserId): Ending {
  const isAlone = devices.filter((device) => device.userId === userId).length === 1
  if (isAlone && random.fraction() < passwords) return 'password'
  return endings[Math.floor(random.fraction() * endings.length)] ?? 'logout'
}

async function end(ask: Asker, { deviceId, userId }: ShownSession, ending: Ending): Promise<void> {
  const timeoutMs = 5000
  const deviceIds = [deviceId]
  switch (ending) {
    case 'logout':
      await ask.ask('user', userId, 'logout', { deviceIds }, { timeoutMs })
      return
    case 'deletion':
      await ask.ask('user', userId, 'deleteDevices', { deviceIds, askedFrom: firstDevice }, { timeoutMs })
      return
    case 'password': {
      const request = { passwordHash, logoutDevices: true, keepDeviceId: firstDevice }
      await ask.ask('user', userId, 'setPassword', request, { timeoutMs })
      return
    }
    case 'another login': {
      const session = { deviceId, tokenHash: hashOf(`${userId} ${deviceId} again`) }
      await ask.ask('user', userId, 'login', { passwordHash, session }, { timeoutMs })
    }
  }
}

/** Stands for the hash of a token that nobody else has. */
function hashOf(name: string): string {
  return Buffer.from(name).toString('base64')
}

/** A token, and what is true of it. */
class ShownSession implements Disposable {
  readonly userId: UserId
  readonly deviceId: string
  readonly tokenHash: string
  readonly #world: World
  /** Whether the database has it. */
  readonly #there: History
  /**
   * The same; but one that was there in what a failover has lost may count, its lost end notwithstanding, until the loss has been noticed and the
   * incarnation raised: until then the new database says of no log that it is another.
   */
  readonly #believable: History
  /** After so many changes of the database it was there last. */
  #lastThere = 0
  /** When a process was told itself to forget it. */
  readonly #forgottenMs = new Map<Process, number>()
  readonly #stopLooking: () => void

  constructor(world: World, userId: UserId, deviceId: string) {
    this.#world = world
    this.userId = userId
    this.deviceId = deviceId
    this.tokenHash = hashOf(`${userId} ${deviceId}`)
    this.#there = new History(world.kernel.nowMs)
    this.#believable = new History(world.kernel.nowMs)
    this.#stopLooking = world.server.onChange(() => this.#look())
  }

  [Symbol.dispose](): void {
    this.#stopLooking()
  }

  /** As an endpoint does when the end of sessions has been answered: its own process takes them no more. */
  forgetAt({ process, sessions }: Entrance, deviceIds: readonly string[] | 'all'): void {
    sessions.cache.revoke(this.userId, deviceIds)
    this.#forgottenMs.set(process, this.#world.kernel.nowMs)
  }

  /** Shows the token to a process after a while. Resolves when that has said what it is, or has died. */
  show(entrance: Entrance, delayMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { kernel } = this.#world
    const { process, sessions } = entrance
    process.onDeath(resolve)
    const ask = async (): Promise<void> => {
      const atMs = kernel.nowMs
      try {
        const found = sessions.cache.lookUp(this.tokenHash)
        // Not awaited where it is known at once: what comes then is of this moment.
        this.#check(process, atMs, found instanceof Promise ? await found : found)
      } catch (error) {
        if (!(error instanceof ConnectionLost)) this.#found(process, `is answered with ${String(error)}`)
      }
      resolve()
    }
    kernel.after(delayMs, () => void ask(), process)
    return promise
  }

  /** Whoever has been answered that it has begun, or ended, can rely on it: it was so at some moment since he asked. */
  checkOutcome(asked: Asked, isThere: boolean): void {
    const { kernel, lastFailOverMs } = this.#world
    if (lastFailOverMs >= asked.invokedMs || isOfTwoOwners(this.#world, asked, this.userId)) return
    if (!this.#there.held(isThere, asked.invokedMs, kernel.nowMs))
      this.#world.found(
        'sessions',
        `${asked.what} ${asked.key} of ${this.userId} was answered, and the session is ${isThere ? 'not there' : 'still there'}`,
      )
  }

  #check(process: Process, atMs: number, told: SessionLookup): void {
    const { nowMs } = this.#world.kernel
    this.#world.trace(() => `${process.name} was shown ${this.deviceId} of ${this.userId}: ${told.kind}`)
    switch (told.kind) {
      case 'session': {
        const { deviceId, tokenHash, userId } = told.requester
        if (userId !== this.userId || deviceId !== this.deviceId || tokenHash !== this.tokenHash)
          return this.#found(process, `is taken for ${deviceId} of ${userId}`)
        const forgottenMs = this.#forgottenMs.get(process) ?? Number.NEGATIVE_INFINITY
        const sinceMs = Math.max(
          atMs - promisedMs,
          forgottenMs <= atMs ? forgottenMs : Number.NEGATIVE_INFINITY,
        )
        if (!this.#believable.held(true, sinceMs, nowMs))
          this.#found(process, `counts as a session though it was none since ${sinceMs.toFixed(1)}`)
        return
      }
      case 'unknown':
        if (!this.#there.held(false, atMs, nowMs))
          this.#found(process, `is unknown though it was there since ${atMs.toFixed(1)}`)
        return
      case 'expired':
        this.#found(process, 'has expired, though it never does')
    }
  }

  #look(): void {
    const { kernel, server } = this.#world
    const { tables } = server
    const isThere = tables.get('access_token', this.tokenHash) !== undefined
    if (isThere) this.#lastThere = server.changeCount
    const mayCount = this.#believable.value || this.#lastThere > server.changeCount
    this.#there.note(isThere, kernel.nowMs)
    this.#believable.note(isThere || (server.isLossUnnoticed && mayCount), kernel.nowMs)
  }

  #found(process: Process, what: string): void {
    this.#world.found(
      'sessions',
      `at ${process.name} the token of ${this.deviceId} of ${this.userId} ${what}`,
    )
  }
}

/** What was so, and when; at first it was not. */
class History {
  readonly #changes: { readonly value: boolean; readonly atMs: number }[]

  constructor(nowMs: number) {
    this.#changes = [{ value: false, atMs: nowMs }]
  }

  get value(): boolean {
    return this.#changes.at(-1)?.value ?? false
  }

  note(value: boolean, atMs: number): void {
    if (value !== this.value) this.#changes.push({ value, atMs })
  }

  /** Whether it was so at some moment between two, both of them included. */
  held(value: boolean, fromMs: number, toMs: number): boolean {
    return this.#changes.some(
      (change, i) =>
        change.value === value &&
        change.atMs <= toMs &&
        (this.#changes[i + 1]?.atMs ?? Number.POSITIVE_INFINITY) >= fromMs,
    )
  }
}
