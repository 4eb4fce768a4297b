/** The database server: settings, room for connections, clocks, and whether its schema is this program's. */

import { readCluster } from '#storage/cluster/incarnation.ts'
import { readMigrations } from '#storage/migrate.ts'
import type { Database } from '#storage/pool.ts'
import type { Reads } from '#storage/reads.ts'
import { appliedMigrations, readServerFacts, type ServerFacts } from '#storage/server-facts.ts'
import type { Config } from '../../config/schema.ts'
import { connectionsOfProcess } from '../../connections.ts'
import { bytesInWords, type Finding, problem, warning, well } from './finding.ts'

const area = 'database'
const clockArea = 'clock'
const schemaArea = 'schema'
const minuteMs = 60_000
const gibibyte = 1024 ** 3
/** The server refuses new transactions before two thousand million, and autovacuum acts at two hundred. */
const transactionsOld = 1_000_000_000
const skewWarningMs = 2_000
const skewProblemMs = 60_000

/** Whose clock is compared, and when. */
export interface LocalClock {
  /** Epoch milliseconds. */
  now(): number
}

/** Settings and state of the server. `processes`: how many of Troupe's live on it now. */
export async function examineServer(
  { reads }: Database,
  processes: number,
  clock: LocalClock,
): Promise<Finding[]> {
  const beforeMs = clock.now()
  const facts = await readServerFacts(reads)
  const skewMs = facts.nowMs - (beforeMs + clock.now()) / 2
  return [
    well(area, `PostgreSQL ${facts.version}, ${bytesInWords(facts.databaseBytes)}, fsync on`),
    ...settingFindings(facts),
    connectionFinding(facts, processes),
    ...stateFindings(facts),
    clockFinding(Math.round(skewMs)),
  ]
}

export function settingFindings(facts: ServerFacts): Finding[] {
  const findings: Finding[] = []
  if (!facts.fsync) {
    findings.push(
      problem(area, 'fsync is off', 'Set fsync = on in postgresql.conf, or lose data in a crash.'),
    )
  }
  if (facts.synchronousCommit === 'off') {
    findings.push(
      problem(
        area,
        'synchronous_commit is off',
        'Set it to on: what was acknowledged could be lost otherwise.',
      ),
    )
  }
  if (!facts.fullPageWrites) {
    findings.push(
      warning(
        area,
        'full_page_writes is off',
        'Set it to on, unless the file system promises that a page is written whole or not at all.',
      ),
    )
  }
  if (!facts.autovacuum) {
    findings.push(
      problem(
        area,
        'autovacuum is off',
        'Set autovacuum = on: tables grow without end, and the server stops in the end.',
      ),
    )
  }
  return findings
}

export function connectionFinding(facts: ServerFacts, processes: number): Finding {
  const usable = facts.maxConnections - facts.reservedConnections
  // One process more than there are now, so that one can be replaced.
  const wanted = (Math.max(1, processes) + 1) * connectionsOfProcess
  const what = `${facts.connections} of ${usable} connections are used; a process takes up to ${connectionsOfProcess}`
  if (wanted <= usable) return well(area, what)
  return warning(
    area,
    `${what}, so ${processes} of them and one that starts may not find room`,
    `Set max_connections to ${wanted + facts.reservedConnections} or more and restart PostgreSQL, or put fewer other programs on it.`,
  )
}

/** What piles up in the server without anybody having set it so. */
export function stateFindings(facts: ServerFacts): Finding[] {
  const findings: Finding[] = []
  if (facts.oldestTransactionMs > 10 * minuteMs) {
    findings.push(
      warning(
        area,
        `a transaction has been open for ${Math.round(facts.oldestTransactionMs / minuteMs)} minutes`,
        'Find it in pg_stat_activity and end it, unless it is a dump: nothing can be cleaned up behind it.',
      ),
    )
  }
  if (facts.transactionAge > transactionsOld) {
    findings.push(
      problem(
        area,
        `the oldest rows are ${facts.transactionAge.toLocaleString('en')} transactions old`,
        'Run vacuumdb --all --freeze now: the server stops taking writes before two thousand million.',
      ),
    )
  }
  if (facts.retainedWalBytes > 10 * gibibyte) {
    findings.push(
      warning(
        area,
        `a replication slot holds back ${bytesInWords(facts.retainedWalBytes)} of WAL`,
        'Bring its standby back, or drop the slot (pg_drop_replication_slot): the disk fills up.',
      ),
    )
  }
  return findings
}

export function clockFinding(skewMs: number): Finding {
  const what = `${Math.abs(skewMs)} ms ${skewMs < 0 ? 'ahead of' : 'behind'} the database's`
  const remedy =
    'Let both machines follow NTP (timedatectl set-ntp true): times of messages and of sessions go wrong.'
  if (Math.abs(skewMs) > skewProblemMs) return problem(clockArea, what, remedy)
  return Math.abs(skewMs) > skewWarningMs ? warning(clockArea, what, remedy) : well(clockArea, what)
}

/** Whether the tables are those of this program and this server. */
export async function examineSchema(reads: Reads, config: Config): Promise<Finding[]> {
  const cluster = await readCluster(reads)
  if (cluster === undefined) return [well(schemaArea, 'the database is new; the first start fills it')]
  const applied = new Set(await appliedMigrations(reads))
  const missing = (await readMigrations()).filter(({ id }) => !applied.has(id))
  const findings: Finding[] = []
  if (cluster.serverName !== config.serverName) {
    findings.push(
      problem(
        schemaArea,
        `the database belongs to ${cluster.serverName}, and the settings say ${config.serverName}`,
        'Correct TROUPE_SERVER_NAME or DATABASE_URL: a server cannot be renamed.',
      ),
    )
  }
  if (missing.length > 0) {
    const names = missing.map(({ id, name }) => `${id} (${name})`).join(', ')
    findings.push(
      warning(
        schemaArea,
        `migrations are missing: ${names}`,
        'npx troupe migrate, or start a process of this version.',
      ),
    )
  } else {
    findings.push(well(schemaArea, `all migrations of this version; incarnation ${cluster.incarnation}`))
  }
  return findings
}
