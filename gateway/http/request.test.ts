import assert from 'node:assert/strict'
import { BlockList } from 'node:net'
import type { IncomingMessage } from 'node:http'
import { describe, it } from 'node:test'
import { booleanParam, choiceParam, integerParam, requiredParam } from './query.ts'
import { addressGroup, clientAddress, splitTarget } from './request.ts'

function from(remoteAddress: string, forwarded?: string): IncomingMessage {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
  // The cast is sound for this test: the function looks at nothing else.
  return { socket: { remoteAddress }, headers } as unknown as IncomingMessage
}

const proxies = new BlockList()
proxies.addSubnet('10.0.0.0', 8, 'ipv4')

describe('the address of a client', () => {
  it('is that of the connection unless a trusted proxy says otherwise', () => {
    assert.equal(clientAddress(from('::ffff:1.2.3.4', '9.9.9.9'), proxies), '1.2.3.4')
    assert.equal(clientAddress(from('10.0.0.1'), proxies), '10.0.0.1')
    assert.equal(clientAddress(from('10.0.0.1', '9.9.9.9'), proxies), '9.9.9.9')
  })

  it('is the last one that no trusted proxy has', () => {
    assert.equal(clientAddress(from('10.0.0.1', '6.6.6.6, 9.9.9.9, 10.0.0.2'), proxies), '9.9.9.9')
    assert.equal(clientAddress(from('10.0.0.1', 'junk'), proxies), '10.0.0.1')
  })

  it('counts by network of 64 bits where it is IPv6', () => {
    assert.equal(addressGroup('1.2.3.4'), '1.2.3.4')
    assert.equal(addressGroup('2001:db8::1'), '2001:db8:0:0::/64')
    assert.equal(addressGroup('2001:0DB8:0:0:ffff::9'), '2001:db8:0:0::/64')
    assert.equal(addressGroup('::1'), '0:0:0:0::/64')
  })
})

describe('a request target', () => {
  it('is split at the first question mark, and its absolute form is reduced', () => {
    assert.deepEqual(splitTarget('/a%3Fb?c=d?e'), { path: '/a%3Fb', query: 'c=d?e' })
    assert.deepEqual(splitTarget('http://host:1/a?b'), { path: '/a', query: 'b' })
    assert.deepEqual(splitTarget('*'), { path: '/*', query: '' })
  })
})

describe('query parameters', () => {
  const query = new URLSearchParams('n=5&big=999&bad=1.5&yes=true&dir=b')

  it('are read within their limits', () => {
    assert.equal(integerParam(query, 'n', { fallback: 1 }), 5)
    assert.equal(integerParam(query, 'big', { fallback: 1, cap: 100 }), 100)
    assert.equal(integerParam(query, 'absent', { fallback: 10 }), 10)
    assert.equal(booleanParam(query, 'yes', false), true)
    assert.equal(choiceParam(query, 'dir', ['b', 'f']), 'b')
    assert.equal(requiredParam(query, 'dir'), 'b')
  })

  it('are refused by name', () => {
    assert.throws(() => integerParam(query, 'bad', { fallback: 1 }), /"bad" must be a whole number/)
    assert.throws(() => booleanParam(query, 'n', false), /"n" must be true or false/)
    assert.throws(() => choiceParam(query, 'n', ['b', 'f']), /"n" must be one of: b, f/)
    assert.throws(() => requiredParam(query, 'absent'), /"absent" is missing/)
  })
})
