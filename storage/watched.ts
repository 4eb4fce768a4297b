/**
 * Tells of slow reads and of a pool that has run out of connections. The driver has no hook for the end of a statement, so the
 * three functions of a pending query that it calls itself are wrapped; where it should one day have others, nothing is told and
 * everything else goes on.
 */

import type { Sql } from './connection.ts'
import { poolExhausted, querySlow } from './events.ts'

/** Milliseconds from which a read is slow. */
const slowMs = 250

interface Pending {
  handle: () => unknown
  resolve: (result: unknown) => unknown
  reject: (reason: unknown) => unknown
}

/** The same client, with its tagged statements watched. `connections`: how many it has. */
export function watched(sql: Sql, connections: number): Sql {
  let running = 0
  const watch = (query: Pending, strings: readonly string[]): void => {
    const { handle, resolve, reject } = query
    let startedAt: number | undefined
    query.handle = () => {
      if (startedAt === undefined) {
        startedAt = performance.now()
        if (++running === connections + 1) poolExhausted({ waiting: 1 })
      }
      return handle.call(query)
    }
    const end = (): void => {
      running--
      const durationMs = performance.now() - (startedAt ?? Infinity)
      if (durationMs >= slowMs)
        querySlow({ statement: strings.join('?').replace(/\s+/g, ' ').trim(), durationMs })
    }
    query.resolve = (result) => {
      end()
      return resolve(result)
    }
    query.reject = (reason) => {
      end()
      return reject(reason)
    }
  }
  return new Proxy(sql, {
    apply(target, self, args: unknown[]) {
      const made: unknown = Reflect.apply(target, self, args)
      const [strings] = args
      if (isPending(made) && isStrings(strings)) watch(made, strings)
      return made
    },
  })
}

/** A statement, or a part of one: which of the two shows only when it is run. */
function isPending(value: unknown): value is Pending {
  return (
    value instanceof Promise &&
    (['handle', 'resolve', 'reject'] as const).every((name) => typeof Reflect.get(value, name) === 'function')
  )
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && 'raw' in value
}
