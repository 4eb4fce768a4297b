/** Models `storage/sweep/sweep-postgres.ts`. */

import type { Session } from '#storage/session.ts'
import type { ExpiredKind, LogStep, LogStepResult, SweepStore } from '#storage/sweep/sweep.ts'
import { asked } from '../access.ts'
import { sweepExpired, sweepLog } from '../sweep-log.ts'

export class PostgresSweepStore implements SweepStore {
  readonly #session: Session

  constructor(session: Session) {
    this.#session = session
  }

  sweepLog(step: LogStep): Promise<LogStepResult> {
    return asked(this.#session, (_tables, server) => {
      server.rowLocks.demand([step.shard])
      return server.sweep((tables) => sweepLog(tables, step))
    })
  }

  sweepExpired(beforeMs: number): Promise<Record<ExpiredKind, number>> {
    return asked(this.#session, (_tables, server) => server.sweep((tables) => sweepExpired(tables, beforeMs)))
  }
}
