import { test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { elementTexts } from './slices.ts'

test('the elements of an array are cut out as they were written', () => {
  const text =
    ' { "x" : "[1]" , "list" : [ {"a": [1, 2.50]} ,"b,]\\"}",\n-1e5,true , [] ] , "y":{"list":[9]} } '
  assert.deepEqual(elementTexts(text, 'list'), ['{"a": [1, 2.50]}', '"b,]\\"}"', '-1e5', 'true', '[]'])
  assert.deepEqual(elementTexts(text, 'y'), [])
  assert.deepEqual(elementTexts(text, 'z'), [])
  assert.deepEqual(elementTexts('{}', 'list'), [])
  assert.deepEqual(elementTexts('{"list":[]}', 'list'), [])
})

test('of two equal keys the last one counts, however it is written', () => {
  assert.deepEqual(elementTexts(String.raw`{"a":[1],"\u0061":[2,3]}`, 'a'), ['2', '3'])
})

test('the elements of any list are those that JSON.parse finds', () => {
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue()),
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.nat(4),
      (list, rest, indent) => {
        const text = JSON.stringify({ ...rest, list }, undefined, indent)
        const found = elementTexts(text, 'list').map((element): unknown => JSON.parse(element))
        assert.deepEqual(found, JSON.parse(JSON.stringify(list)))
      },
    ),
    { numRuns: 200 },
  )
})
