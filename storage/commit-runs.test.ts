import assert from 'node:assert/strict'
import { test } from 'node:test'

import { classifyCode } from './commit-postgres.ts'
import { RunBuilder } from './commit-runs.ts'
import type { PutRow } from './shard-writes.ts'

const device = { user_id: '@a:b', device_id: 'D' }

function runsOf(...rows: PutRow[]): [kind: string, rows: number][] {
  const builder = new RunBuilder()
  for (const row of rows) builder.add(row)
  return builder.runs.map((run) => [run.kind, run.rows.length])
}

function profile(value: string): PutRow {
  return { kind: 'profile', row: { user_id: '@a:b', key: 'k', value } }
}

function token(token_hash: string): PutRow {
  return { kind: 'access_token', row: { ...device, token_hash, expires_at: null } }
}

test('rows of one kind join one run, whatever other tables are written between them', () => {
  assert.deepEqual(runsOf(token('1'), profile('1'), token('2'), profile('2')), [
    ['access_token', 2],
    ['profile', 1],
  ])
})

test('a removal stands between the rows before and after it', () => {
  const removal: PutRow = { kind: 'device_removal', row: device }
  assert.deepEqual(runsOf(token('1'), removal, profile('1'), token('2'), token('3')), [
    ['access_token', 1],
    ['device_removal', 1],
    ['profile', 1],
    ['access_token', 2],
  ])
})

test('removals of the same tables join one run', () => {
  const ack = (pos: number): PutRow => ({ kind: 'to_device_ack', row: { ...device, pos } })
  assert.deepEqual(runsOf(ack(1), profile('1'), ack(2)), [
    ['to_device_ack', 2],
    ['profile', 1],
  ])
})

test('partial rows of a device are one row with all of their fields', () => {
  const builder = new RunBuilder()
  builder.add({ kind: 'device', row: { ...device, created_at: 1, display_name: 'a' } })
  builder.add({ kind: 'device', row: { ...device, display_name: null, last_seen_ts: 2 } })
  assert.deepEqual(builder.runs[0]?.rows, [{ ...device, created_at: 1, display_name: null, last_seen_ts: 2 }])
})

test('a device that is made again after its removal is in a run of its own', () => {
  const row = (extra: object): PutRow => ({ kind: 'device', row: { ...device, ...extra } })
  assert.deepEqual(runsOf(row({ created_at: 1 }), row({ deleted: true }), row({ created_at: 2 })), [
    ['device', 1],
    ['device', 1],
  ])
})

test('failures of the group are told from those of the weather by their code', () => {
  for (const code of ['22021', '22P05', '23505', '42703', '54000', '57014', 'P0001', undefined]) {
    assert.equal(classifyCode(code), 'content', `code ${code}`)
  }
  for (const code of [
    '08006',
    '25006',
    '40001',
    '40P01',
    '53300',
    '55P03',
    '57P01',
    '57P03',
    '58030',
    'XX000',
    'ECONNREFUSED',
    'EPIPE',
    'CONNECTION_CLOSED',
  ]) {
    assert.equal(classifyCode(code), 'weather', `code ${code}`)
  }
})
