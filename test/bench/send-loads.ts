/** The two loads that only send. */

import { setTimeout as delay } from 'node:timers/promises'
import { HttpConnection } from './http-connection.ts'
import { Measure, until } from './measuring.ts'
import { offer, Pool, receiptRequest, seededRandom, sendRequest } from './sending.ts'
import type { ClosedLoop, LoadResult, OpenLoop } from './workloads.ts'

/** A message that has no answer after so long has failed. */
const answerLimitMs = 30_000

/** Each sender on a connection of its own, one message after another. */
export async function closedLoop(load: ClosedLoop): Promise<LoadResult> {
  const measure = new Measure(load.target, load.senders.length)
  let isOver = false
  let number = 0
  let underWay = 0
  const connections = load.senders.map((sender, index) => {
    const connection = new HttpConnection(load.target.port)
    const next = (): void => {
      if (isOver || connection.isBroken) return
      underWay++
      connection.send(sendRequest(sender, number++), (reply) => {
        const good = measure.good(reply)
        const done = (isGood: boolean): void => {
          underWay--
          if (isGood) {
            measure.count()
            measure.answered[index] = (measure.answered[index] ?? 0) + 1
          }
          next()
        }
        if (good === undefined || load.receipts === undefined) return done(good !== undefined)
        connection.send(receiptRequest(sender, good), (answer) => done(measure.good(answer) !== undefined))
      })
    }
    next()
    return connection
  })
  await delay(load.warmMs)
  measure.begin()
  await delay(load.runMs)
  measure.end()
  await until(() => number >= (load.least ?? 0), answerLimitMs)
  isOver = true
  if (!(await until(() => underWay === 0, answerLimitMs))) measure.error(`${underWay} without an answer`)
  for (const connection of connections) connection.close()
  return measure.result()
}

/** Messages at random times; each counts from when it should have started, and without an answer for thirty seconds. */
export async function openLoop(load: OpenLoop): Promise<LoadResult> {
  const measure = new Measure(load.target, load.senders.length)
  const pool = new Pool(load.target.port)
  const random = seededRandom(load.seed)
  let number = 0
  let underWay = 0
  const fire = (scheduledAt: number): void => {
    const index = Math.floor(random() * load.senders.length)
    const sender = load.senders[index]
    if (sender === undefined) return
    const counts = measure.isCounting
    underWay++
    pool.send(sendRequest(sender, number++), (reply) => {
      underWay--
      const isGood = measure.good(reply) !== undefined
      if (isGood) measure.answered[index] = (measure.answered[index] ?? 0) + 1
      if (!counts) return
      measure.count()
      measure.latency(isGood ? performance.now() - scheduledAt : answerLimitMs)
    })
  }
  await offer({ rate: load.rate, durationMs: load.warmMs, random }, fire)
  measure.begin()
  await offer({ rate: load.rate, durationMs: load.runMs, random }, fire)
  await until(() => underWay === 0, answerLimitMs)
  measure.end()
  for (let left = underWay; left > 0; left--) {
    measure.error('a message had no answer')
    measure.latency(answerLimitMs)
  }
  pool.close()
  return measure.result()
}
