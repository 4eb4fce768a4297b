/** Who may be harmed, and how much at a time. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Database } from '#storage/pool.ts'
import { seededRandom } from '../support/manual-clock.ts'
import type { Arena, Member } from './arena.ts'
import { Scene } from './scene.ts'

function member(name: string): Member {
  // Nothing of it is used here but its name and role.
  return { role: 'actors', name } as Member
}

function sceneOf(hosts: readonly Member[], spared: readonly Member[] = []): Scene {
  // As above.
  const arena = { hosts, gateways: [] } as unknown as Arena
  const database = {} as Database
  return new Scene({ arena, database, random: seededRandom(1), tell: () => {}, spared: new Set(spared) })
}

const idle = { begin: () => {}, end: () => {} }
const tries = Array.from({ length: 50 })

test('who is spared is harmed and never ended', () => {
  const [one, two] = [member('one'), member('two')]
  const scene = sceneOf([one, two], [one])
  assert.deepEqual(new Set(tries.map(() => scene.mortal('actors'))), new Set([two]))
  assert.deepEqual(new Set(tries.map(() => scene.unharmed('actors'))), new Set([one, two]))
  assert.deepEqual(new Set(tries.map(() => scene.unharmed('actors', 'mortal'))), new Set([two]))
})

test('who is being harmed is left alone until that is over or it is another process', async () => {
  const [one, two] = [member('one'), member('two')]
  const scene = sceneOf([one, two])
  scene.forAWhile([one], 20, idle)
  assert.deepEqual(new Set(tries.map(() => scene.unharmed('actors'))), new Set([two]))
  await scene.calm()
  assert.deepEqual(new Set(tries.map(() => scene.unharmed('actors'))), new Set([one, two]))
  scene.forAWhile([one, two], 20, idle)
  assert.equal(scene.unharmed('actors'), undefined)
  scene.released(two)
  assert.equal(scene.unharmed('actors'), two)
  await scene.calm()
})

test('one host at least goes on', async () => {
  const hosts = ['one', 'two', 'three'].map(member)
  const scene = sceneOf(hosts)
  for (const host of hosts.slice(0, 2)) {
    assert.ok(scene.canStop)
    scene.forAWhile([host], 20, { ...idle, stops: true })
  }
  assert.equal(scene.canStop, false)
  await scene.calm()
  assert.ok(scene.canStop)
})
