import assert from 'node:assert/strict'
import { test } from 'node:test'
import { txnKey } from './txn-key.ts'

const scope = { endpoint: 'send', roomId: '!r:a', userId: '@u:a', deviceId: 'D' }

test('a transaction key has 22 characters of base64url and depends on nothing but its parts', () => {
  assert.match(txnKey(scope, 't1'), /^[A-Za-z0-9_-]{22}$/)
  assert.equal(txnKey(scope, 't1'), txnKey({ ...scope }, 't1'))
})

test('every part of the scope tells two transactions apart', () => {
  const others = [
    txnKey({ ...scope, endpoint: 'redact' }, 't'),
    txnKey({ ...scope, roomId: '!s:a' }, 't'),
    txnKey({ ...scope, userId: '@v:a' }, 't'),
    txnKey({ ...scope, deviceId: 'E' }, 't'),
    txnKey(scope, 'u'),
  ]
  assert.equal(new Set([txnKey(scope, 't'), ...others]).size, 6)
})

test('moving a character from one part to the next gives another key', () => {
  assert.notEqual(txnKey({ ...scope, deviceId: 'D1' }, '2'), txnKey({ ...scope, deviceId: 'D' }, '12'))
})
