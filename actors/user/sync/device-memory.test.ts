import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DeviceMemory } from './device-memory.ts'

describe('what a device has been told', () => {
  it('counts as told once the device shows the token that came with it', () => {
    const memory = new DeviceMemory()
    memory.confirm(undefined)
    memory.addMember('!r', '@a', 1)
    memory.close('t1')
    memory.confirm('t1')
    memory.addMember('!r', '@b', 2)
    memory.close('t2')
    memory.confirm('t2')
    assert.ok(memory.hasMember('!r', '@a', 1))
    assert.ok(memory.hasMember('!r', '@b', 2))
    assert.ok(!memory.hasMember('!r', '@a', 9))
  })

  it('is forgotten again when the device shows an older token: it may never have come', () => {
    const memory = new DeviceMemory()
    memory.addMember('!r', '@a', 1)
    memory.close('t1')
    memory.addMember('!r', '@b', 2)
    memory.close('t2')
    memory.confirm('t1')
    assert.ok(memory.knowsMember('!r', '@a'))
    assert.ok(!memory.knowsMember('!r', '@b'))
  })

  it('is forgotten when the device begins anew or shows a token that is not known', () => {
    for (const token of [undefined, 'unknown']) {
      const memory = new DeviceMemory()
      memory.addMember('!r', '@a', 1)
      memory.close('t1')
      memory.confirm(token)
      assert.ok(!memory.knowsMember('!r', '@a'))
    }
  })
})
