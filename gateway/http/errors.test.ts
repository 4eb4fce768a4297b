import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RowsGone } from '#storage/reads.ts'
import { classifyFailure } from './errors.ts'

function postgresError(code: string): Error {
  return Object.assign(new Error('as Postgres says it'), { name: 'PostgresError', code })
}

function statusOf(thrown: unknown): number | undefined {
  const failure = classifyFailure(thrown)
  return failure.kind === 'answer' ? failure.error.status : undefined
}

test('what fails because the database is being replaced by a standby passes, and a bug does not', () => {
  const passing = [
    new RowsGone('a state node is not stored'),
    ...['40001', '25006', '57P03'].map(postgresError),
  ]
  assert.deepEqual(passing.map(statusOf), [503, 503, 503, 503])
  assert.deepEqual([new Error('a bug'), postgresError('22P02')].map(statusOf), [500, 500])
})
