/**
 * The model of the database is held against a real one: the same commits get the same answers and leave the same rows, and every query
 * function gives the same of them. `npm run simulate:compare` does it with more scripts and runs.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { CommitArguments } from '#storage/commit-arguments.ts'
import type { ShardGroup } from '#storage/commit.ts'
import { ModelStore } from '#test/support/model-store.ts'
import { testDatabase, type TestDatabase } from '#test/support/postgres.ts'
import { randomOf } from './random.ts'
import { CommitScript } from './compare-script.ts'
import { compareReads } from './compare-reads.ts'
import { answerOfPostgres, rowsOfPostgres, setEpochs } from './compare-postgres.ts'
import { commitGroup, ContentError } from './model/commit-group.ts'
import { Tables } from './model/tables.ts'

const run = promisify(execFile)
const shardCount = 6
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
    it(`answers commits as Postgres does, script ${seed}`, limit, async () => {
      await using own = await fresh()
      const tables = new Tables(shardCount)
      const small = new ModelStore()
      const script = new CommitScript(randomOf(seed, 5), shardCount)
      for (let step = 0; step < 60; step++) {
        const { args, epochs, groups } = script.next(tables)
        await setEpochs(own.database, epochs)
        for (const [shard, epoch] of epochs.entries()) tables.shards[shard] = { epoch, owner: undefined }
        const expected = await answerOfPostgres(own.database, args)
        assert.deepEqual(answerOfModel(tables, args), expected, `step ${step}: ${args.shards}`)
        await compareSmallModel(small, { groups, epochs, expected })
      }
      assert.deepEqual(tables.logs.flat(), await rowsOfPostgres(own.database))
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
    for (const line of runs.slice(-simulated)) {
      await using own = await fresh()
      const tables = new Tables(shardCount)
      // The cast states what `--record` prints.
      for (const args of JSON.parse(line) as CommitArguments[]) {
        const epochs = tables.shards.map(({ epoch }) => epoch)
        for (const { s, e } of JSON.parse(args.shards) as { s: number; e: number }[]) epochs[s] = e
        await setEpochs(own.database, epochs)
        for (const [shard, epoch] of epochs.entries()) tables.shards[shard] = { epoch, owner: undefined }
        assert.deepEqual(answerOfModel(tables, args), await answerOfPostgres(own.database, args))
      }
      assert.deepEqual(tables.logs.flat(), await rowsOfPostgres(own.database))
      await compareReads(own.database.reads, tables)
    }
  })
})
