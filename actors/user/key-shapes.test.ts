import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crossSigningKey, deviceKeys, makeKey, signedBy } from '#test/support/e2ee-keys.ts'
import { checkCrossSigningKey, checkDeviceKeys, identityChanged, isSignedWith } from './key-shapes.ts'

const userId = '@alice:test.local'

test('device keys of the device itself are fine, those of another are not', () => {
  const keys = deviceKeys(userId, 'DEVICE', makeKey())
  checkDeviceKeys(keys, userId, 'DEVICE')
  assert.throws(() => checkDeviceKeys(keys, '@bob:test.local', 'DEVICE'), { errcode: 'M_INVALID_PARAM' })
  assert.throws(() => checkDeviceKeys(keys, userId, 'OTHER'), { errcode: 'M_INVALID_PARAM' })
})

test('device keys of another form are refused', () => {
  const keys = deviceKeys(userId, 'DEVICE', makeKey())
  for (const change of [
    { algorithms: 'one' },
    { algorithms: [1] },
    { keys: [] },
    { keys: { a: null } },
    { signatures: { '@alice:test.local': 'x' } },
  ]) {
    assert.throws(() => checkDeviceKeys({ ...keys, ...change }, userId, 'DEVICE'), { errcode: 'M_BAD_JSON' })
  }
  assert.throws(() => checkDeviceKeys({ ...keys, number: 1.5 }, userId, 'DEVICE'), { errcode: 'M_BAD_JSON' })
  const large = { ...keys, x: 'x'.repeat(65_536) }
  assert.throws(() => checkDeviceKeys(large, userId, 'DEVICE'), { errcode: 'M_TOO_LARGE', status: 400 })
})

test('an identity has changed when its keys have, not when only signatures have', () => {
  const key = makeKey()
  const keys = deviceKeys(userId, 'DEVICE', key)
  assert.equal(identityChanged(undefined, keys), false)
  assert.equal(identityChanged(JSON.stringify({ ...keys, signatures: {} }), keys), false)
  assert.equal(identityChanged(JSON.stringify(keys), deviceKeys(userId, 'DEVICE', makeKey())), true)
})

test('a cross-signing key names its user, its usage and exactly one public key as its id', () => {
  const key = makeKey()
  const object = crossSigningKey(userId, 'master', key)
  assert.deepEqual(checkCrossSigningKey(object, userId, 'master'), {
    keyId: `ed25519:${key.publicKey}`,
    publicKey: key.publicKey,
  })
  for (const change of [
    { user_id: '@bob:test.local' },
    { usage: ['self_signing'] },
    { keys: {} },
    { keys: { 'ed25519:other': key.publicKey } },
    { keys: { 'ed25519:abc': 'abc' } },
  ]) {
    assert.throws(() => checkCrossSigningKey({ ...object, ...change }, userId, 'master'), {
      errcode: 'M_INVALID_PARAM',
    })
  }
})

test('a signature counts when it is by that key on that object', () => {
  const [key, other] = [makeKey(), makeKey()]
  const signer = { userId, keyId: `ed25519:${key.publicKey}` }
  const object = signedBy(crossSigningKey(userId, 'self_signing', other), { ...signer, key })
  assert.equal(isSignedWith(object, { ...signer, publicKey: key.publicKey }), true)
  assert.equal(isSignedWith(object, { ...signer, publicKey: other.publicKey }), false)
  assert.equal(isSignedWith({ ...object, usage: ['master'] }, { ...signer, publicKey: key.publicKey }), false)
  assert.equal(isSignedWith({ ...object, unsigned: { a: 1 } }, { ...signer, publicKey: key.publicKey }), true)
  const empty = { ...object, signatures: {} }
  assert.equal(isSignedWith(empty, { ...signer, publicKey: key.publicKey }), false)
})
