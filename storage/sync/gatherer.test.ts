import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Gatherer } from './gatherer.ts'

/** Finds the double of every number but 3, and notes what each statement asks for. */
function doubles(maxPerStatement?: number): { gatherer: Gatherer<number, number>; asked: number[][] } {
  const asked: number[][] = []
  const gatherer = new Gatherer<number, number>(async (keys) => {
    asked.push([...keys])
    return new Map(keys.filter((key) => key !== 3).map((key) => [key, 2 * key]))
  }, maxPerStatement)
  return { gatherer, asked }
}

test('what is looked up in one turn is one statement, what comes after it another', async () => {
  const { asked, gatherer } = doubles()
  assert.deepEqual(await Promise.all([1, 2, 3].map((key) => gatherer.get(key))), [2, 4, undefined])
  assert.equal(await gatherer.get(4), 8)
  assert.deepEqual(asked, [[1, 2, 3], [4]])
})

test('more than a statement may ask for is divided among several', async () => {
  const { asked, gatherer } = doubles(2)
  const found = await Promise.all([1, 2, 4, 5, 6].map((key) => gatherer.get(key)))
  assert.deepEqual(found, [2, 4, 8, 10, 12])
  assert.deepEqual(asked, [[1, 2], [4, 5], [6]])
})
