import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Histogram } from './histogram.ts'

test('percentiles are exact to one percent over the whole range', () => {
  for (const scale of [0.001, 0.05, 1, 30, 900]) {
    const histogram = new Histogram()
    for (let i = 1; i <= 1000; i++) histogram.record(i * scale)
    for (const share of [0.01, 0.5, 0.99, 1]) {
      const exact = Math.ceil(1000 * share) * scale
      const found = histogram.percentile(share)
      assert.ok(Math.abs(found - exact) <= exact * 0.01, `${scale} ${share}: ${found} is not ${exact}`)
    }
  }
})

test('histograms of several rounds add up', () => {
  const a = new Histogram()
  const b = new Histogram()
  for (let i = 0; i < 99; i++) a.record(2)
  b.record(70)
  a.add(b.toData())
  assert.equal(a.total, 100)
  assert.ok(a.percentile(0.99) < 3)
  assert.ok(a.percentile(1) > 69)
  assert.equal(new Histogram(a.toData()).percentile(0.5), a.percentile(0.5))
})

test('an empty histogram has no percentile', () => {
  assert.ok(Number.isNaN(new Histogram().percentile(0.5)))
})
