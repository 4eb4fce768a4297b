import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseNatsUrl } from './nats-url.ts'

test('a NATS_URL names servers, credentials and TLS, and its label shows no credentials', () => {
  assert.deepEqual(parseNatsUrl('nats://troupe:p%40ss@a.example:4223, b.example,nats://[::1]:5'), {
    servers: ['a.example:4223', 'b.example:4222', '[::1]:5'],
    user: 'troupe',
    pass: 'p@ss',
    tls: false,
    label: 'nats://a.example:4223,nats://b.example:4222,nats://[::1]:5',
  })
  assert.deepEqual(parseNatsUrl('tls://token@a.example'), {
    servers: ['a.example:4222'],
    token: 'token',
    tls: true,
    label: 'nats://a.example:4222',
  })
})

test('a NATS_URL that cannot be read is refused by a sentence that names it', () => {
  for (const url of ['', ' , ', 'http://a.example', 'nats://', 'nats://a.example:port', 'ws://a.example']) {
    assert.throws(() => parseNatsUrl(url), /NATS_URL .* nats:\/\/user:password@host:4222/, url)
  }
})
