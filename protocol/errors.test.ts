import { test } from 'node:test'
import assert from 'node:assert/strict'
import { errorCodes, isErrorCode, MatrixError } from './errors.ts'

test('every code has a status of 400 or more and a sentence', () => {
  for (const [code, entry] of Object.entries(errorCodes)) {
    assert.match(code, /^M_[A-Z_]+$/)
    assert.ok(entry.status >= 400 && entry.status < 600, code)
    assert.match(entry.meaning, /\.$/, code)
  }
})

test('an error takes the status of its code unless told otherwise', () => {
  assert.equal(new MatrixError('M_LIMIT_EXCEEDED', 'slow down').status, 429)
  assert.equal(new MatrixError('M_UNRECOGNIZED', 'wrong method', { status: 405 }).status, 405)
})

test('an error survives the way over the bus', () => {
  const sent = new MatrixError('M_LIMIT_EXCEEDED', 'slow down', { extra: { retry_after_ms: 5 } })
  const { errcode, error } = sent.toWire()
  const back = MatrixError.fromWire({ errcode, error, status: sent.status, extra: { retry_after_ms: 5 } })
  assert.deepEqual(back.toWire(), { errcode: 'M_LIMIT_EXCEEDED', error: 'slow down', retry_after_ms: 5 })
  assert.equal(back.status, 429)
})

test('further fields cannot replace the code', () => {
  const error = new MatrixError('M_FORBIDDEN', 'no', { extra: { errcode: 'M_OTHER' } })
  assert.equal(error.toWire().errcode, 'M_FORBIDDEN')
})

test('a code that is not in the table becomes M_UNKNOWN', () => {
  assert.equal(isErrorCode('toString'), false)
  assert.equal(MatrixError.fromWire({ errcode: 'ORG_OTHER', error: 'x', status: 418 }).errcode, 'M_UNKNOWN')
})
