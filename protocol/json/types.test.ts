import { test } from 'node:test'
import assert from 'node:assert/strict'
import { field, isJsonObject, objectField, objectFromEntries, stringField } from './types.ts'

test('fields are read from the object itself only', () => {
  assert.equal(field({}, 'constructor'), undefined)
  assert.equal(field({ a: null }, 'a'), null)
  assert.equal(stringField({ a: 1 }, 'a'), undefined)
  assert.equal(stringField({ a: 'x' }, 'a'), 'x')
  assert.equal(objectField({ a: [] }, 'a'), undefined)
  assert.deepEqual(objectField({ a: { b: 1 } }, 'a'), { b: 1 })
})

test('objects are told from null and arrays', () => {
  assert.deepEqual([{}, [], null, 'x', undefined].map(isJsonObject), [true, false, false, false, false])
})

test('an object made of entries keeps a key __proto__ as data', () => {
  const object = objectFromEntries([['__proto__', { admin: true }]])
  assert.deepEqual(Object.keys(object), ['__proto__'])
  assert.equal(Object.getPrototypeOf(object), Object.prototype)
})
