import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JsonObject } from '../json/types.ts'
import { compileServerAcl } from './acl.ts'

const literals = ['1.2.3.4', '1.2.3.4:8448', '[::1]', '[::1]:8448', '[::ffff:1.2.3.4]', '::1']

describe('server ACL', () => {
  const table: [name: string, acl: JsonObject | undefined, allowed: string[], denied: string[]][] = [
    ['allows all without an event', undefined, ['evil.com', ...literals], []],
    ['denies all without an allow list', {}, [], ['good.com', ...literals]],
    ['denies all with an empty allow list', { allow: [], deny: [] }, [], ['good.com']],
    [
      'ignores ports and case',
      { allow: ['*'], deny: ['evil.com'] },
      ['good.com', 'good.com:1', 'evil.com.', 'notevil.com', 'evil.com.au', 'xn--evil-com.org'],
      ['evil.com', 'EVIL.com', 'evil.com:8448', 'Evil.Com:1234'],
    ],
    [
      'folds the case of patterns',
      { allow: ['GOOD.*', 'Exact.org'] },
      ['good.com', 'exact.org'],
      ['bad.com'],
    ],
    [
      'knows wildcards',
      { allow: ['*'], deny: ['*evil*', 'b?d.com'] },
      ['bd.com', 'baad.com'],
      ['my.evil.com', 'bad.com'],
    ],
    ['denies what is allowed too', { allow: ['evil.com'], deny: ['evil.*'] }, [], ['evil.com']],
    [
      'denies IP literals on demand',
      { allow: ['*'], allow_ip_literals: false },
      ['1.2.3.4.example', '1.2.3'],
      literals,
    ],
    ['takes other values than false for true', { allow: ['*'], allow_ip_literals: 'false' }, literals, []],
    [
      'matches IP literals without their port',
      { allow: ['*'], deny: ['1.2.3.4', '[::1]'] },
      ['[::2]'],
      literals.slice(0, 4),
    ],
    [
      'passes over entries that are no strings',
      { allow: [1, null, '*', '*'], deny: [{}, ['*'], 'evil.com'] },
      ['a.b'],
      ['evil.com'],
    ],
    ['takes lists of the wrong type for empty', { allow: '*', deny: '*' }, [], ['a.b']],
  ]
  for (const [name, content, allowed, denied] of table) {
    it(name, () => {
      const acl = compileServerAcl(content)
      for (const server of allowed) assert.equal(acl(server), true, server)
      for (const server of denied) assert.equal(acl(server), false, server)
    })
  }

  it('answers in milliseconds whatever the patterns', () => {
    const deny = Array.from({ length: 5_000 }, (_, i) => `${'*a'.repeat(8)}*b${i}`)
    const acl = compileServerAcl({ allow: ['*'], deny })
    const host = 'a'.repeat(230)
    const times = [1, 2, 3].map(() => {
      const start = performance.now()
      assert.equal(acl(host), true)
      return performance.now() - start
    })
    assert.ok(Math.min(...times) < 40, times.join(' ms, '))
  })
})
