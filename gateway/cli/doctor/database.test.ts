import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ServerFacts } from '#storage/server-facts.ts'
import { stateFindings } from './database.ts'
import type { Finding } from './finding.ts'

const minuteMs = 60_000
const gibibyte = 1024 ** 3

const facts: ServerFacts = {
  version: '18.4',
  fsync: true,
  fullPageWrites: true,
  synchronousCommit: 'on',
  autovacuum: true,
  maxConnections: 100,
  reservedConnections: 3,
  connections: 20,
  databaseBytes: 1,
  oldestTransactionMs: 10 * minuteMs,
  transactionAge: 1_000_000_000,
  retainedWalBytes: 10 * gibibyte,
  nowMs: 0,
}

/** The one thing that is found when a fact differs. */
function found(changed: Partial<ServerFacts>): Finding {
  const [finding, ...others] = stateFindings({ ...facts, ...changed })
  assert.ok(finding !== undefined)
  assert.deepEqual(others, [])
  return finding
}

describe('the state of the database server', () => {
  it('is well up to its limits, and nothing is said', () => {
    assert.deepEqual(stateFindings(facts), [])
  })

  it('is a warning where a transaction has been open for more than ten minutes', () => {
    assert.deepEqual(found({ oldestTransactionMs: 25 * minuteMs }), {
      area: 'database',
      verdict: 'warning',
      what: 'a transaction has been open for 25 minutes',
      remedy:
        'Find it in pg_stat_activity and end it, unless it is a dump: nothing can be cleaned up behind it.',
    })
    assert.equal(found({ oldestTransactionMs: 10 * minuteMs + 1 }).verdict, 'warning')
  })

  it('is a problem where transaction numbers will run out', () => {
    const finding = found({ transactionAge: 1_200_000_000 })
    assert.equal(finding.verdict, 'problem')
    assert.equal(finding.what, 'the oldest rows are 1,200,000,000 transactions old')
    assert.match(finding.remedy ?? '', /^Run vacuumdb --all --freeze now/)
  })

  it('is a warning where a replication slot holds back so much that the disk fills up', () => {
    const finding = found({ retainedWalBytes: 30 * gibibyte })
    assert.equal(finding.verdict, 'warning')
    assert.equal(finding.what, 'a replication slot holds back 30.0 GiB of WAL')
    assert.match(
      finding.remedy ?? '',
      /^Bring its standby back, or drop the slot \(pg_drop_replication_slot\)/,
    )
  })

  it('is told whole where several things are wrong', () => {
    const findings = stateFindings({
      ...facts,
      oldestTransactionMs: 60 * minuteMs,
      transactionAge: 1_900_000_000,
      retainedWalBytes: 1024 * gibibyte,
    })
    assert.deepEqual(
      findings.map(({ verdict }) => verdict),
      ['warning', 'problem', 'warning'],
    )
  })
})
