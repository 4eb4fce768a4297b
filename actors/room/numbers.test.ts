import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NumberBlocks } from './numbers.ts'

function blocks(): { numbers: NumberBlocks; taken: () => number } {
  let taken = 0
  let rooms = 0
  const numbers = new NumberBlocks({
    takeEvents: () => Promise.resolve({ first: ++taken * 10, last: taken * 10 + 1 }),
    takeRooms: (count) => Promise.resolve(Array.from({ length: count }, () => rooms++)),
  })
  return { numbers, taken: () => taken }
}

test('a block is given out number by number and then asks to be refilled', async () => {
  const { numbers } = blocks()
  assert.equal(numbers.next(), undefined)
  await numbers.refill()
  assert.deepEqual([numbers.next(), numbers.next(), numbers.next()], [10, 11, undefined])
})

test('all who wait share one block', async () => {
  const { numbers, taken } = blocks()
  await Promise.all([numbers.refill(), numbers.refill(), numbers.refill()])
  assert.equal(taken(), 1)
})

test('no room number is given twice', async () => {
  const { numbers } = blocks()
  const given = await Promise.all(Array.from({ length: 10 }, () => numbers.nextRoom()))
  assert.equal(new Set(given).size, 10)
})
