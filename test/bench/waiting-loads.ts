/** The two loads in which members wait for messages with a long-poll sync. */

import { setTimeout as delay } from 'node:timers/promises'
import { HttpConnection, requestText, type Reply } from './http-connection.ts'
import { Measure, until } from './measuring.ts'
import { offer, Pool, seededRandom, sendRequest } from './sending.ts'
import { numbersIn, type Audience, type FanOut, type LoadResult, type Wake } from './workloads.ts'

const pollMs = 30_000
const deliveryLimitMs = 30_000
/** So many members make their first sync at once. */
const firstSyncs = 16
const shortFilter = encodeURIComponent('{"room":{"timeline":{"limit":1},"state":{"lazy_load_members":true}}}')

/** A member that always has a sync waiting, and checks that each message comes once. */
class Waiter {
  readonly #port: number
  readonly #token: string
  readonly #measure: Measure
  readonly #onMessage: (number: number) => void
  readonly #seen = new Set<number>()
  #connection: HttpConnection | undefined
  #since = ''

  constructor(port: number, token: string, measure: Measure, onMessage: (number: number) => void) {
    this.#port = port
    this.#token = token
    this.#measure = measure
    this.#onMessage = onMessage
  }

  /** How many messages have come. */
  get seen(): number {
    return this.#seen.size
  }

  /** The first sync; from then on one is always waiting. */
  start(): Promise<void> {
    const path = `/_matrix/client/v3/sync?timeout=0&filter=${shortFilter}`
    return new Promise((resolve) => {
      // Not before: a server ends connections on which nothing is asked.
      this.#connection = new HttpConnection(this.#port)
      this.#connection.send(requestText('GET', path, this.#token), (reply) => {
        if (this.#take(reply) !== undefined) this.#poll()
        resolve()
      })
    })
  }

  close(): void {
    this.#connection?.close()
  }

  #poll(): void {
    const path = `/_matrix/client/v3/sync?timeout=${pollMs}&since=${this.#since}`
    this.#connection?.send(requestText('GET', path, this.#token), (reply) => {
      const body = this.#take(reply)
      if (body === undefined) return
      this.#poll()
      for (const number of numbersIn(body)) {
        if (this.#seen.has(number)) this.#measure.error(`message ${number} came twice`)
        this.#seen.add(number)
        this.#onMessage(number)
      }
    })
  }

  #take(reply: Reply | Error): string | undefined {
    const good = this.#measure.good(reply)
    if (good === undefined) return undefined
    const body = good.body.toString('latin1')
    const since = /"next_batch":"([^"]+)"/.exec(body)?.[1]
    if (since === undefined) {
      this.#measure.error(`no next_batch in ${body.slice(0, 300)}`)
      return undefined
    }
    this.#since = since
    return body
  }
}

/** What a waiter of one room tells, and how many messages were sent there. */
interface Group {
  readonly audience: Audience
  readonly waiters: Waiter[]
  sent: number
}

async function gather(
  load: Wake | FanOut,
  measure: Measure,
  onMessage: (group: Group, number: number) => void,
): Promise<Group[]> {
  const groups = load.audiences.map((audience) => {
    const group: Group = { audience, waiters: [], sent: 0 }
    for (const token of audience.waiters) {
      group.waiters.push(new Waiter(load.target.port, token, measure, (number) => onMessage(group, number)))
    }
    return group
  })
  const all = groups.flatMap((group) => group.waiters)
  const inTurn = all.values()
  const startInTurn = async (): Promise<void> => {
    for (const waiter of inTurn) await waiter.start()
  }
  await Promise.all(Array.from({ length: firstSyncs }, startInTurn))
  // Until the last ones wait, too.
  await delay(300)
  return groups
}

function dismiss(groups: readonly Group[]): void {
  for (const waiter of groups.flatMap((group) => group.waiters)) waiter.close()
}

/** Messages that some waiter has not got. */
function missing(groups: readonly Group[]): number {
  return groups.reduce(
    (sum, { waiters, sent }) => sum + waiters.reduce((lost, waiter) => lost + sent - waiter.seen, 0),
    0,
  )
}

/** Messages at random times; the latency is from the scheduled start to the reply of each waiting sync. */
export async function wake(load: Wake): Promise<LoadResult> {
  const measure = new Measure(load.target, load.audiences.length)
  const scheduled: (number | undefined)[] = []
  const groups = await gather(load, measure, (_group, number) => {
    const at = scheduled[number]
    if (at === undefined) return
    measure.count()
    measure.latency(performance.now() - at)
  })
  const pool = new Pool(load.target.port)
  const random = seededRandom(load.seed)
  const fire = (scheduledAt: number): void => {
    const group = groups[Math.floor(random() * groups.length)]
    if (group === undefined) return
    group.sent++
    const number = scheduled.push(measure.isCounting ? scheduledAt : undefined) - 1
    pool.send(sendRequest(group.audience.sender, number), (reply) => void measure.good(reply))
  }
  await offer({ rate: load.rate, durationMs: load.warmMs, random }, fire)
  measure.begin()
  await offer({ rate: load.rate, durationMs: load.runMs, random }, fire)
  if (!(await until(() => missing(groups) === 0, deliveryLimitMs)))
    measure.error(`${missing(groups)} deliveries are missing`)
  measure.end()
  pool.close()
  dismiss(groups)
  return measure.result()
}

/** The next message of a room is sent when all who wait there have the last one: each delivery is a response of its own. */
export async function fanOut(load: FanOut): Promise<LoadResult> {
  const measure = new Measure(load.target, load.audiences.length)
  const pool = new Pool(load.target.port)
  const toCome = new Map<Group, number>()
  let number = 0
  let isOver = false
  const sendNext = (group: Group): void => {
    if (isOver) return
    toCome.set(group, group.waiters.length)
    group.sent++
    pool.send(sendRequest(group.audience.sender, number++), (reply) => void measure.good(reply))
  }
  const groups = await gather(load, measure, (group) => {
    measure.count()
    const left = (toCome.get(group) ?? 0) - 1
    toCome.set(group, left)
    if (left === 0) sendNext(group)
  })
  for (const group of groups) sendNext(group)
  await delay(load.warmMs)
  measure.begin()
  await delay(load.runMs)
  measure.end()
  isOver = true
  if (!(await until(() => missing(groups) === 0, deliveryLimitMs)))
    measure.error(`${missing(groups)} deliveries are missing`)
  pool.close()
  dismiss(groups)
  return measure.result()
}
