/** Models `storage/e2ee/one-time-keys.ts`. */

import type * as real from '#storage/e2ee/one-time-keys.ts'
import { asked } from '../access.ts'
import type { Row, Tables } from '../tables.ts'

export const readKeyCounts: typeof real.readKeyCounts = (reads, device) =>
  asked(reads, (tables) => {
    const counts = new Map<string, number>()
    for (const row of ofDevice(tables, 'one_time_key', device)) {
      const algorithm = String(row['algorithm'])
      counts.set(algorithm, (counts.get(algorithm) ?? 0) + 1)
    }
    return counts
  })

export const readOldestKey: typeof real.readOldestKey = (reads, device, algorithm) =>
  asked(reads, (tables) =>
    ofDevice(tables, 'one_time_key', device)
      .filter((row) => row['algorithm'] === algorithm)
      .toSorted(
        (a, b) => Number(a['seq']) - Number(b['seq']) || (String(a['key_id']) < String(b['key_id']) ? -1 : 1),
      )
      .map(storedKey)
      .at(0),
  )

export const readKeysById: typeof real.readKeysById = async (reads, device, names) =>
  asked(reads, (tables) => {
    const known = (rows: readonly Row[], claimed: boolean): real.KnownKey[] =>
      rows.map((row) => ({ ...storedKey(row), claimed }))
    return [
      ...known(ofDevice(tables, 'one_time_key', device), false),
      ...known(
        [...tables.claimedKeys.values()].filter((row) => isOf(row, device)),
        true,
      ),
    ].filter(({ algorithm, keyId }) => names.includes(`${algorithm}:${keyId}`))
  })

export const readLastKeyNumber: typeof real.readLastKeyNumber = (reads, userId) =>
  asked(reads, (tables) =>
    tables
      .all('one_time_key')
      .filter((row) => row['user_id'] === userId)
      .reduce((last, row) => Math.max(last, Number(row['seq'])), 0),
  )

export const readFallbackKeys: typeof real.readFallbackKeys = (reads, device) =>
  asked(reads, (tables) =>
    ofDevice(tables, 'fallback_key', device)
      .map((row) => ({ ...storedKey(row), used: row['used'] === true }))
      .toSorted((a, b) => (a.algorithm < b.algorithm ? -1 : 1)),
  )

function ofDevice(tables: Tables, kind: 'one_time_key' | 'fallback_key', device: real.DeviceAddress): Row[] {
  return tables.all(kind).filter((row) => isOf(row, device))
}

function isOf(row: Row, device: real.DeviceAddress): boolean {
  return row['user_id'] === device.userId && row['device_id'] === device.deviceId
}

function storedKey(row: Row): real.StoredKey {
  return { algorithm: String(row['algorithm']), keyId: String(row['key_id']), json: String(row['json']) }
}
