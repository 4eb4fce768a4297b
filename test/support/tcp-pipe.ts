/** One direction of one connection over a bad line: chunks arrive in their order, when the line lets them. */

import type { Socket } from 'node:net'

export interface Weather {
  readonly delayMs?: number
  readonly bytesPerSecond?: number
  /** Nothing arrives while this is so. */
  readonly holds?: boolean
}

/** A piece of what was sent; undefined: its end. */
interface Piece {
  readonly chunk: Buffer | undefined
  readonly dueMs: number
}

/** What is thought to be on the way before the sender is made to wait. */
const windowBytes = 1 << 20

export class Pipe {
  readonly #source: Socket
  readonly #sink: Socket
  #weather: Weather = {}
  #queue: Piece[] = []
  #queuedBytes = 0
  /** When the last byte that was accepted is due. */
  #busyUntilMs = 0
  #timer: NodeJS.Timeout | undefined
  #dead = false

  constructor(source: Socket, sink: Socket) {
    this.#source = source
    this.#sink = sink
    source.on('end', () => {
      // Whoever has given up a dead connection is let go, as by a kernel that has stopped trying.
      if (this.#dead) source.end()
      else this.#put(undefined)
    })
    source.on('close', () => {
      if (source.errored !== null || source.readableAborted) this.#lost()
    })
    sink.on('close', () => {
      clearTimeout(this.#timer)
      if (!this.#dead && !this.#weather.holds) source.destroy()
    })
    sink.on('drain', () => this.#flowOn())
  }

  get isDead(): boolean {
    return this.#dead
  }

  push(chunk: Buffer): void {
    this.#put(chunk)
  }

  change(weather: Weather): void {
    this.#weather = weather
    this.#pump()
  }

  /** From now on everything is thrown away, the end of the connection too. */
  kill(): void {
    this.#dead = true
    this.#queue = []
    clearTimeout(this.#timer)
    this.#source.resume()
  }

  #put(chunk: Buffer | undefined): void {
    if (this.#dead) return
    const { delayMs = 0, bytesPerSecond = Infinity } = this.#weather
    const nowMs = performance.now()
    const bytes = chunk?.length ?? 0
    this.#busyUntilMs = Math.max(nowMs, this.#busyUntilMs) + (bytes * 1000) / bytesPerSecond
    this.#queue.push({ chunk, dueMs: this.#busyUntilMs + delayMs })
    this.#queuedBytes += bytes
    if (this.#queuedBytes > windowBytes) this.#source.pause()
    this.#pump()
  }

  /** The source is gone without an end: the sink learns it when the network would tell. */
  #lost(): void {
    if (!this.#dead && !this.#weather.holds) this.#sink.destroy()
  }

  #pump(): void {
    clearTimeout(this.#timer)
    if (this.#dead) return
    if (this.#weather.holds === true) return
    for (;;) {
      const [next] = this.#queue
      if (next === undefined) break
      const waitMs = next.dueMs - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#pump(), waitMs)
        return
      }
      this.#queue.shift()
      if (next.chunk === undefined) this.#sink.end()
      else {
        this.#queuedBytes -= next.chunk.length
        if (!this.#sink.write(next.chunk)) this.#source.pause()
      }
    }
    // While it was held the other end may have gone.
    if (this.#source.destroyed && !this.#source.readableEnded) this.#sink.destroy()
    if (this.#sink.destroyed) this.#source.destroy()
    this.#flowOn()
  }

  #flowOn(): void {
    if (this.#queuedBytes <= windowBytes && !this.#sink.writableNeedDrain) this.#source.resume()
  }
}
