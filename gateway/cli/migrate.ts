/**
 * `troupe migrate`: brings the database to the schema of this program. `start` does the same; the command is for those who
 * want to do it apart.
 */

import { migrate as migrateDatabase, readMigrations } from '#storage/migrate.ts'
import type { Command } from './command.ts'
import { openOrStart } from './open-database.ts'

export const migrate: Command = {
  name: 'migrate',
  usage: '',
  summary: 'Bring the database to the schema of this version',
  options: {},
  positionals: 0,
  async run({ config, terminal }) {
    const onProgress = (text: string): void => terminal.write(`${text}\n`)
    await using opened = await openOrStart(config(), onProgress)
    await migrateDatabase(opened.database, { onProgress })
    const newest = (await readMigrations()).at(-1)
    terminal.write(`The database has all migrations up to ${newest?.id ?? 0}.\n`)
    return 0
  },
}
