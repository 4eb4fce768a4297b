/**
 * The model of the database is held against a real one: the same commits and the same steps of the sweep get the same answers and leave the
 * same rows, and every query function gives the same of them. `npm run simulate:compare` does it with more scripts and runs.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { CommitArguments } from '#storage/commit-arguments.ts'
import type { ShardGroup } from '#storage/commit.ts'
import type { LogStep, LogStepResult } from '#storage/sweep/sweep.ts'
import { PostgresSweepStore } from '#storage/sweep/sweep-postgres.ts'
import { ModelStore } from '#test/support/model-store.ts'
import { testDatabase, type TestDatabase } from '#test/support/postgres.ts'
import { randomOf } from './random.ts'
import { CommitScript, drawSweep } from './compare-script.ts'
import { compareReads } from './compare-reads.ts'
import {
  answerOfPostgres,
  rowsOfPostgres,
  setEpochs,
  sweepsOfModel,
  sweepsOfPostgres,
} from './compare-postgres.ts'
import { commitGroup, ContentError } from './model/commit-group.ts'
import { sweepExpired, sweepLog } from './model/sweep-log.ts'
import { Tables } from './model/tables.ts'

const run = promisify(execFile)
const shardCount = 6
const dayMs = 86_400_000
/** How many of each. */
const scripts = Number(process.env['SIMULATE_COMPARE'] ?? 4)
const simulated = Math.ceil(scripts / 2)
const limit = { timeout: 120_000 + simulated * 10_000 }

function answerOfModel(tables: Tables, args: CommitArguments): unknown {
  try {
    return commitGroup(tables, args)
  } catch (error) {
    if (!(error instanceof ContentError)) throw error
    return { kind: 'content' }
  }
}

/** The step on both; returns when the next one can find more. */
async function sweepBoth(own: TestDatabase, tables: Tables, step: LogStep): Promise<number | undefined> {
  const expected = await new PostgresSweepStore(own.database.control).sweepLog(step)
  tables.nowMs = Date.now()
  const actual = sweepLog(tables, step)
  assert.deepEqual(soonOrLater(actual), soonOrLater(expected), `sweep ${JSON.stringify(step)}`)
  return actual.kind === 'done' ? actual.waitMs : undefined
}

/** Two clocks do not say the same time. */
function soonOrLater(result: LogStepResult): unknown {
  if (result.kind === 'fenced' || result.waitMs === undefined) return result
  return { ...result, waitMs: result.waitMs > 0 ? 'later' : 'soon' }
}

async function sweepWhole(own: TestDatabase, tables: Tables): Promise<void> {
  for (const [shard, { epoch }] of tables.shards.entries()) {
    const step = { shard, epoch, upTo: tables.headOf(shard), ageMs: 0, look: 1000 }
    while ((await sweepBoth(own, tables, step)) !== undefined);
  }
}

/** What has expired, first when that is nothing, then when it is everything. */
async function expireBoth(own: TestDatabase, tables: Tables): Promise<void> {
  for (const beforeMs of [Date.now(), Date.now() + 2 * dayMs]) {
    const expected = await new PostgresSweepStore(own.database.control).sweepExpired(beforeMs)
    assert.deepEqual(sweepExpired(tables, beforeMs), expected)
  }
}

async function sameRows(own: TestDatabase, tables: Tables): Promise<void> {
  assert.deepEqual(tables.logs.flat(), await rowsOfPostgres(own.database))
  assert.deepEqual(sorted(sweepsOfModel(tables)), sorted(await sweepsOfPostgres(own.database)))
}

function sorted(rows: readonly object[]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort()
}

function setClaimed(tables: Tables, epochs: readonly number[]): void {
  for (const [shard, epoch] of epochs.entries()) tables.shards[shard] = { epoch, owner: undefined }
}

function fresh(): Promise<TestDatabase> {
  return testDatabase({ shardCount, serverName: 'sim.test' })
}

/** The model that unit tests use knows nothing of constraints; of everything else it says the same. */
async function compareSmallModel(
  model: ModelStore,
  step: {
    readonly groups: readonly ShardGroup[]
    readonly epochs: readonly number[]
    readonly expected: { readonly kind: string }
  },
): Promise<void> {
  const { epochs, expected, groups } = step
  for (const [shard, epoch] of epochs.entries()) while (model.epochOf(shard) < epoch) model.claim(shard)
  if (expected.kind === 'content') return
  const { kind } = await model.commit(groups)
  assert.equal(kind, expected.kind === 'landed' ? 'committed' : expected.kind)
}

describe('the model of the database', () => {
  for (let seed = 1; seed <= scripts; seed++) {
    it(`answers commits and sweeps as Postgres does, script ${seed}`, limit, async () => {
      await using own = await fresh()
      const tables = new Tables(shardCount)
      const small = new ModelStore()
      const script = new CommitScript(randomOf(seed, 5), shardCount)
      for (let i = 0; i < 90; i++) {
        const step = script.next(tables)
        const { epochs } = step
        await setEpochs(own.database, epochs)
        setClaimed(tables, epochs)
        if (step.kind === 'sweep') {
          await sweepBoth(own, tables, step.sweep)
          continue
        }
        const { args, groups } = step
        const expected = await answerOfPostgres(own.database, args)
        assert.deepEqual(answerOfModel(tables, args), expected, `step ${i}: ${args.shards}`)
        await compareSmallModel(small, { groups, epochs, expected })
      }
      await sameRows(own, tables)
      await compareReads(own.database.reads, tables)
    })
  }

  it('answers queries as Postgres does, after the commits of whole runs', limit, async () => {
    const { stdout } = await run(
      process.execPath,
      [
        '--import',
        join(import.meta.dirname, 'hooks.ts'),
        join(import.meta.dirname, 'main.ts'),
        '--brief',
        '--record',
        '--seeds',
        String(simulated),
      ],
      { maxBuffer: 2 ** 28 },
    )
    const runs = stdout.split('\n').filter((line) => line.startsWith('['))
    assert.ok(runs.length >= simulated)
    for (const [i, line] of runs.slice(-simulated).entries()) {
      await using own = await fresh()
      const random = randomOf(i, 7)
      const tables = new Tables(shardCount)
      // The cast states what `--record` prints.
      for (const args of JSON.parse(line) as CommitArguments[]) {
        const epochs = tables.shards.map(({ epoch }) => epoch)
        for (const { s, e } of JSON.parse(args.shards) as { s: number; e: number }[]) epochs[s] = e
        await setEpochs(own.database, epochs)
        setClaimed(tables, epochs)
        tables.nowMs = Date.now()
        assert.deepEqual(answerOfModel(tables, args), await answerOfPostgres(own.database, args))
        if (random.fraction() < 0.2) await sweepBoth(own, tables, drawSweep(random, tables, epochs))
      }
      await sweepWhole(own, tables)
      await sameRows(own, tables)
      await compareReads(own.database.reads, tables)
      await expireBoth(own, tables)
    }
  })
})
