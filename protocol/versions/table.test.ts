import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { RoomVersionRules } from './rules.ts'
import { roomVersions, rulesFor } from './table.ts'

test('the versions 1 to 12 are known and stable, others are not', () => {
  assert.deepEqual(
    [...roomVersions.keys()],
    Array.from({ length: 12 }, (_, i) => String(i + 1)),
  )
  for (const [id, rules] of roomVersions) assert.deepEqual([rules.id, rules.stable], [id, true])
  for (const unknown of ['', '0', '13', '1.0', 'constructor']) assert.equal(rulesFor(unknown), undefined)
})

// The first version in which each tweak has its later value, from the introductions of the room version pages.
const since: readonly (readonly [keyof RoomVersionRules, unknown, number])[] = [
  ['redactionInAuthRules', false, 3],
  ['enforceKeyValidity', true, 5],
  ['strictCanonicalJson', true, 6],
  ['aliasesSpecialCase', false, 6],
  ['notificationLevelsChecked', true, 6],
  ['knocking', true, 7],
  ['restrictedJoin', true, 8],
  ['knockRestricted', true, 10],
  ['integerPowerLevels', true, 10],
  ['fieldLimitsInBytes', true, 11],
  ['redactsInContent', true, 11],
  ['creatorIsSender', true, 11],
  ['createInAuthEvents', false, 12],
  ['roomIdIsCreateHash', true, 12],
  ['privilegedCreators', true, 12],
]

test('each tweak changes in the version that the specification says', () => {
  for (const [tweak, later, first] of since) {
    for (const [id, rules] of roomVersions) {
      assert.equal(rules[tweak] === later, Number(id) >= first, `${tweak} in version ${id}`)
    }
  }
})

test('event id formats and state resolutions follow the versions', () => {
  const rules = [...roomVersions.values()]
  assert.deepEqual(
    rules.map((r) => r.eventIdFormat),
    ['v1', 'v1', 'v3', ...Array.from({ length: 9 }, () => 'v4')],
  )
  assert.deepEqual(
    rules.map((r) => r.stateResolution),
    ['v1', ...Array.from({ length: 10 }, () => 'v2'), 'v2.1'],
  )
})
