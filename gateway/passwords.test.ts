import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MatrixError } from '#protocol/errors.ts'
import { systemRandom } from '#actors/runtime/clock.ts'
import { ArgonPasswords, passwordCosts } from './passwords.ts'

function build(limits = { concurrency: 1, maxWaiting: 10 }): ArgonPasswords {
  return new ArgonPasswords({ cost: passwordCosts.cheap, random: systemRandom, ...limits })
}

describe('password hashes', () => {
  it('verify the password that they were made of and no other', async () => {
    const passwords = build()
    const hash = await passwords.hash('corréct horse')
    assert.match(hash, /^\$argon2id\$v=19\$m=8,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    assert.equal(await passwords.verify('corréct horse', hash), true)
    assert.equal(await passwords.verify('correct horse', hash), false)
    assert.notEqual(await passwords.hash('corréct horse'), hash)
  })

  it('say how they were made, so that the cost can change', async () => {
    const hash = await build().hash('x')
    const other = new ArgonPasswords({
      cost: { memoryKib: 64, passes: 2 },
      random: systemRandom,
      concurrency: 1,
      maxWaiting: 1,
    })
    assert.equal(await other.verify('x', hash), true)
  })

  it('made by the reference implementation of argon2id are verified', async () => {
    const foreign = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
    assert.equal(await build().verify('password', foreign), true)
  })

  it('never verify for an absent account', async () => {
    assert.equal(await build().verify('x', undefined), false)
  })

  it('are refused when too many wait, and computed when they wait their turn', async () => {
    const passwords = build({ concurrency: 1, maxWaiting: 2 })
    const results = await Promise.allSettled(['a', 'b', 'c', 'd'].map((password) => passwords.hash(password)))
    assert.deepEqual(
      results.map((result) => result.status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
    )
    const [, , , refused] = results
    assert.ok(refused?.status === 'rejected' && refused.reason instanceof MatrixError)
    assert.equal(refused.reason.errcode, 'M_LIMIT_EXCEEDED')
  })
})
