import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'

import { dumpSchema } from '#storage/dump-schema.ts'
import { testDatabase } from '../support/postgres.ts'

const file = new URL('../../storage/schema.sql', import.meta.url)

/** `node test/house/schema.test.ts --write` writes the file instead. */
const write = process.argv.includes('--write')

test('storage/schema.sql is what the migrations make', { timeout: 60_000 }, async () => {
  await using db = await testDatabase({ initialised: false })
  const schema = await dumpSchema(db.database.reads)
  if (write) await writeFile(file, schema)
  assert.equal(
    await readFile(file, 'utf8'),
    schema,
    'a migration was changed: run "node test/house/schema.test.ts --write" and look at the difference',
  )
})
