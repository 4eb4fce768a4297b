/** What the connections of this process do at the moment, by what they are for: for whoever measures. */

/** One connection. */
export interface ConnectionLoad {
  /** It has answered since it was made. */
  readonly isOpen: boolean
  /** Statements under way: the server works on one, the others wait for it. */
  readonly running: number
}

/** All connections for one purpose. */
export interface PoolLoad {
  /** `reads`, `control`, `bulk`, `commit`, `lease`, `sweep`. */
  readonly pool: string
  readonly open: number
  /** Those with a statement under way. */
  readonly busy: number
  /** Statements that wait for one that is before them on its connection. */
  readonly waiting: number
}

export class PoolLoads {
  readonly #clients = new Set<{ readonly pool: string; readonly connections: readonly ConnectionLoad[] }>()

  /** Counts these connections from now on, until the function that it returns is called. */
  add(purpose: string, connections: readonly ConnectionLoad[]): () => void {
    const client = { pool: poolOf(purpose), connections }
    this.#clients.add(client)
    return () => this.#clients.delete(client)
  }

  read(): PoolLoad[] {
    const loads = new Map<string, PoolLoad>()
    for (const { pool, connections } of this.#clients) {
      const { open, busy, waiting } = loads.get(pool) ?? { open: 0, busy: 0, waiting: 0 }
      loads.set(pool, {
        pool,
        open: open + connections.filter(({ isOpen }) => isOpen).length,
        busy: busy + connections.filter(({ running }) => running > 0).length,
        waiting: waiting + connections.reduce((sum, { running }) => sum + Math.max(0, running - 1), 0),
      })
    }
    return [...loads.values()]
  }
}

/** Connections for one purpose may be numbered. */
export function poolOf(purpose: string): string {
  return purpose.replace(/ \d+$/, '')
}
