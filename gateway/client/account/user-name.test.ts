import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServerName } from '#protocol/ids/server-name.ts'
import { localUserId, newUserId } from './user-name.ts'

// The cast is sound: it is a server name.
const server = 'test.local' as ServerName

test('a person is found by localpart or id, in any case', () => {
  for (const name of ['alice', 'Alice', '@ALICE:test.local']) {
    assert.equal(localUserId(name, server), '@alice:test.local')
  }
  for (const name of ['@alice:other.local', 'alice:test.local', '@alice', '@:', 'a'.repeat(300), 'a\u0000']) {
    assert.equal(localUserId(name, server), undefined, name)
  }
})

test('a new name is lower case and follows the grammar', () => {
  assert.equal(newUserId('Alice.B-c=d/e+f_1', server), '@alice.b-c=d/e+f_1:test.local')
  for (const name of ['', 'a b', 'é', 'a:b', '_bridge', 'a'.repeat(300), 'a\n']) {
    assert.throws(() => newUserId(name, server), { errcode: 'M_INVALID_USERNAME' }, name)
  }
})
