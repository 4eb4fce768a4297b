import { test } from 'node:test'
import assert from 'node:assert/strict'
import { MatrixError } from '../errors.ts'
import { isDeviceId } from './device-id.ts'
import { domainOfEventId, isEventId, isEventIdOfFormat, parseEventId } from './event-id.ts'
import { isNamespacedIdentifier, isOpaqueIdentifier } from './identifier-grammar.ts'
import { algorithmOf, isKeyId, isSigningKeyId, nameOfKey, parseKeyId } from './key-id.ts'
import { isMediaId, isMxcUri, makeMxcUri, parseMxcUri } from './mxc-uri.ts'
import { isRoomAlias, localpartOfAlias, parseRoomAlias, serverOfAlias } from './room-alias.ts'
import { isHashRoomId, isRoomId, parseRoomId, serverOfRoomId } from './room-id.ts'
import { isServerName, parseServerName } from './server-name.ts'
import {
  isCompliantUserId,
  isUserId,
  isValidNewLocalpart,
  localpart,
  makeUserId,
  parseUserId,
  serverOf,
} from './user-id.ts'

const hash = 'Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ'
const tables: readonly (readonly [
  name: string,
  is: (text: string) => boolean,
  yes: string[],
  no: string[],
])[] = [
  [
    'server name',
    isServerName,
    [
      'matrix.org',
      'matrix.org:8888',
      '1.2.3.4',
      '1.2.3.4:1234',
      '[1234:5678::abcd]',
      '[1234:5678::abcd]:5678',
      'a',
      'a:1',
    ],
    [
      '',
      ':1',
      'a:',
      'a:99999',
      'a:x',
      'a b',
      'a\n',
      '[::1',
      '[]',
      '[::1]x',
      '[::1]:',
      'ä.org',
      'a:1:2',
      'a:123456',
      `${'a'.repeat(256)}`,
    ],
  ],
  [
    'namespaced identifier',
    isNamespacedIdentifier,
    ['m.room', 'com.example.x-y_z', 'a', 'a'.repeat(255)],
    ['', '.a', '1a', 'A', 'aB', 'a:b', 'a b', 'a\n', 'a'.repeat(256)],
  ],
  [
    'opaque identifier',
    isOpaqueIdentifier,
    ['a', '~', '0A-._', 'x'.repeat(255)],
    ['', 'a/b', 'a=b', 'ä', 'a\n', 'x'.repeat(256)],
  ],
  [
    'user id',
    isUserId,
    ['@a:b', '@:b', '@A b\u200f\n:b', '@é:b.org:1', `@${'a'.repeat(252)}:b`],
    [
      '',
      'a:b',
      '@a',
      '@a:',
      '@a\0:b',
      '@\ud800:b',
      '@a:b c',
      '@a:b:99999',
      `@${'a'.repeat(253)}:b`,
      `@${'é'.repeat(127)}:b`,
    ],
  ],
  [
    'room id',
    isRoomId,
    ['!a:b', `!${hash}`, '!a b:b.org:80'],
    [
      '',
      '!',
      '!a',
      '!:b',
      '!a:',
      `!${hash}x`,
      `!${hash.replaceAll('-', '+')}`,
      '!a\0:b',
      `!${'a'.repeat(253)}:b`,
      '#a:b',
    ],
  ],
  [
    'event id',
    isEventId,
    [`$${hash}`, '$a:b', '$x'],
    ['', '$', 'x', '$a\0', '$\ud800', `$${'a'.repeat(255)}`],
  ],
  [
    'room alias',
    isRoomAlias,
    ['#a:b', '#é x:b.org'],
    ['', '#a', '#:b', '#a:', '#a\0:b', `#${'a'.repeat(253)}:b`, '!a:b'],
  ],
  [
    'mxc uri',
    isMxcUri,
    ['mxc://b.org/aA0_-', 'mxc://[::1]:80/x'],
    ['mxc://b/', 'mxc:///x', 'mxc://b/../x', 'mxc://b/a.b', 'http://b/x', 'mxc://b/a?x'],
  ],
  ['media id', isMediaId, ['aA0_-'], ['', '..', 'a/b', 'a.b', 'a\n']],
  ['key id', isKeyId, ['ed25519:JLAFKJWSCS', 'signed_curve25519:AAAA/+'], ['', 'ed25519', 'ed25519:', ':x']],
  ['signing key id', isSigningKeyId, ['ed25519:1', 'ed25519:a_B2'], ['ed25519:', 'ed25519:a-b', 'rsa:1']],
  ['device id', isDeviceId, ['ABC', 'é ü'], ['', 'a\0', '\ud800', 'é'.repeat(128)]],
]

for (const [name, is, yes, no] of tables) {
  test(`the grammar of a ${name} accepts and refuses`, () => {
    for (const text of yes) assert.equal(is(text), true, JSON.stringify(text))
    for (const text of no) assert.equal(is(text), false, JSON.stringify(text))
  })
}

test('a bad identifier is refused with M_INVALID_PARAM', () => {
  for (const parse of [
    parseUserId,
    parseRoomId,
    parseEventId,
    parseServerName,
    parseRoomAlias,
    parseMxcUri,
    parseKeyId,
  ]) {
    assert.throws(
      () => parse('\0'),
      (error) => error instanceof MatrixError && error.errcode === 'M_INVALID_PARAM',
    )
  }
})

test('the parts of an identifier are those around its first colon', () => {
  assert.equal(localpart(parseUserId('@a:b.org:1')), 'a')
  assert.equal(serverOf(parseUserId('@a:b.org:1')), 'b.org:1')
  assert.equal(serverOfRoomId(parseRoomId('!a:b.org')), 'b.org')
  assert.equal(serverOfRoomId(parseRoomId(`!${hash}`)), undefined)
  assert.equal(isHashRoomId(parseRoomId(`!${hash}`)), true)
  assert.equal(localpartOfAlias(parseRoomAlias('#x y:b')), 'x y')
  assert.equal(serverOfAlias(parseRoomAlias('#x:b:2')), 'b:2')
  assert.equal(domainOfEventId(parseEventId('$1:b')), 'b')
  assert.equal(algorithmOf(parseKeyId('ed25519:A:B')), 'ed25519')
  assert.equal(nameOfKey(parseKeyId('ed25519:A:B')), 'A:B')
  const { server, mediaId } = parseMxcUri('mxc://b:1/xyz')
  assert.equal(makeMxcUri(server, mediaId), 'mxc://b:1/xyz')
})

test('event ids are told apart by format', () => {
  assert.equal(isEventIdOfFormat('v1', '$a:b'), true)
  assert.equal(isEventIdOfFormat('v1', `$${hash}`), false)
  assert.equal(isEventIdOfFormat('v3', `$${hash.replaceAll('-', '/')}`), true)
  assert.equal(isEventIdOfFormat('v3', `$${hash}`), false)
  assert.equal(isEventIdOfFormat('v4', `$${hash}`), true)
  assert.equal(isEventIdOfFormat('v4', '$a:b'), false)
})

test('new users get only the current grammar', () => {
  for (const good of ['alice', 'a.b_c=d-e/f+0']) assert.equal(isValidNewLocalpart(good), true, good)
  for (const bad of ['', 'Alice', 'a b', 'é', 'a:b', 'a\n'])
    assert.equal(isValidNewLocalpart(bad), false, bad)
  assert.equal(makeUserId('alice', parseServerName('b')), '@alice:b')
  assert.throws(
    () => makeUserId('a'.repeat(253), parseServerName('b')),
    (error) => error instanceof MatrixError && error.errcode === 'M_INVALID_USERNAME',
  )
})

test('user ids that are only historical are recognised as not compliant', () => {
  assert.equal(isCompliantUserId(parseUserId('@Alice!:b')), true)
  for (const bad of ['@:b', '@a b:b', '@é:b']) assert.equal(isCompliantUserId(parseUserId(bad)), false, bad)
})
