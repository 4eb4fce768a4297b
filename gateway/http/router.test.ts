import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MatrixError } from '#protocol/errors.ts'
import type { AnyEndpoint } from './endpoint.ts'
import { Router } from './router.ts'

function endpoint(method: string, ...path: string[]): AnyEndpoint {
  // The cast is sound: a router looks at nothing else.
  return { method, path } as unknown as AnyEndpoint
}

/** The pattern found and the parameters, or the status of the refusal. */
function found(router: Router, method: string, path: string): unknown {
  try {
    const { params, route } = router.match(method, path)
    return [route.pattern, { ...params }]
  } catch (error) {
    assert.ok(error instanceof MatrixError)
    return `${error.status} ${error.errcode}`
  }
}

test('a fixed segment goes before a parameter, unless the rest of the path leads nowhere', () => {
  const router = new Router([endpoint('GET', '/a/:x/c', '/a/b', '/a/b/d', '/:y')])
  assert.deepEqual(found(router, 'GET', '/a/b'), ['/a/b', {}])
  assert.deepEqual(found(router, 'GET', '/a/b/c'), ['/a/:x/c', { x: 'b' }])
  assert.deepEqual(found(router, 'GET', '/a'), ['/:y', { y: 'a' }])
  assert.equal(found(router, 'GET', '/a/b/e'), '404 M_UNRECOGNIZED')
})

test('parameters are named as in the path that was found, whatever others call them', () => {
  const router = new Router([endpoint('GET', '/r/:id/x', '/r/:name/y/:z')])
  assert.deepEqual(found(router, 'GET', '/r/1/x'), ['/r/:id/x', { id: '1' }])
  assert.deepEqual(found(router, 'GET', '/r/1/y/2'), ['/r/:name/y/:z', { name: '1', z: '2' }])
})

test('a path is split before it is decoded', () => {
  const router = new Router([endpoint('PUT', '/state/:type/:key', '/state/:type/')])
  assert.deepEqual(found(router, 'PUT', '/state/a%2Fb/%F0%9F%99%82'), [
    '/state/:type/:key',
    { type: 'a/b', key: '🙂' },
  ])
  assert.deepEqual(found(router, 'PUT', '/st%61te/a/'), ['/state/:type/', { type: 'a' }])
  assert.deepEqual(found(router, 'PUT', '/state/%2500/%25'), ['/state/:type/:key', { type: '%00', key: '%' }])
})

test('a parameter is neither empty nor longer than any name', () => {
  const router = new Router([endpoint('GET', '/a/:x', '/a/:x/b')])
  assert.equal(found(router, 'GET', '/a/'), '404 M_UNRECOGNIZED')
  assert.equal(found(router, 'GET', '/a//b'), '404 M_UNRECOGNIZED')
  assert.equal(found(router, 'GET', `/a/${'x'.repeat(2049)}`), '404 M_UNRECOGNIZED')
  assert.deepEqual(found(router, 'GET', `/a/${'x'.repeat(2048)}`), ['/a/:x', { x: 'x'.repeat(2048) }])
})

test('a path of another method is refused as such, a broken one before anything else', () => {
  const router = new Router([endpoint('GET', '/a/:x'), endpoint('POST', '/b')])
  assert.equal(found(router, 'POST', '/a/1'), '405 M_UNRECOGNIZED')
  assert.equal(found(router, 'PATCH', '/b'), '405 M_UNRECOGNIZED')
  assert.equal(found(router, 'GET', '/c'), '404 M_UNRECOGNIZED')
  for (const broken of ['/a/%', '/a/%C3', '/%zz', '/c/%80'])
    assert.equal(found(router, 'GET', broken), '400 M_INVALID_PARAM')
  assert.equal(found(router, 'GET', '/a/%00'), '400 M_INVALID_PARAM')
})

test('names that objects have anyway are no paths', () => {
  const router = new Router([endpoint('GET', '/a/:x')])
  assert.equal(found(router, 'GET', '/__proto__'), '404 M_UNRECOGNIZED')
  assert.deepEqual(found(router, 'GET', '/a/__proto__'), ['/a/:x', { x: '__proto__' }])
})

test('two endpoints cannot claim one method and path, by whatever names', () => {
  assert.throws(
    () => new Router([endpoint('GET', '/a/:x'), endpoint('GET', '/a/:y')]),
    /'GET' already declared/,
  )
  assert.doesNotThrow(() => new Router([endpoint('GET', '/a/:x'), endpoint('PUT', '/a/:x')]))
})
