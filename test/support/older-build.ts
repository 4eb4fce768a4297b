/**
 * The program as a version before it might have been: a copy of this tree that says an older version and lacks what is newest in the
 * protocol between processes and in the schema. It runs beside this one as two releases do while an operator replaces one by the other.
 */

import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

export interface Build extends AsyncDisposable {
  readonly root: string
  readonly version: string
}

interface Patch {
  readonly file: string
  /** Occurs exactly once. */
  readonly find: string
  readonly replace: string
}

const olderVersion = '0.0.9'

/** Migrations after this one did not exist. */
const lastMigration = 7

const patches: readonly Patch[] = [
  // Nobody says `reconnected`, and whoever says it is not understood.
  {
    file: 'actors/runtime/ownership-messages.ts',
    find: "if (head['kind'] === 'reconnected')",
    replace: "if (head['kind'] === 'unheard of')",
  },
  {
    file: 'actors/runtime/host-status.ts',
    find: "head['kind'] === 'status'",
    replace: "head['kind'] === 'unheard of'",
  },
  // Hosts state no weight and no condition, for the table has no place for them.
  {
    file: 'storage/cluster/leases.ts',
    find: 'name, version, roles, weight, condition, expires_at)',
    replace: 'name, version, roles, expires_at)',
  },
  {
    file: 'storage/cluster/leases.ts',
    find: ' ${host.weight ?? null}::integer, ${host.condition ?? null}::text,',
    replace: '',
  },
  { file: 'storage/cluster/leases.ts', find: 'condition = ${condition}, ', replace: '' },
  // Hosts do not count their follow requests.
  {
    file: 'actors/follow/wire.ts',
    find: "head: { kind: 'follow', ...request }",
    replace: "head: { kind: 'follow', ...request, number: undefined }",
  },
]

/** Makes the copy in a temporary folder; it is gone when it is disposed. Throws when a patch no longer fits. */
export async function olderBuild(): Promise<Build> {
  const copy = await mkdtemp(join(tmpdir(), 'troupe-older-'))
  const build: Build = {
    root: copy,
    version: olderVersion,
    [Symbol.asyncDispose]: () => rm(copy, { recursive: true, force: true }),
  }
  try {
    for (const folder of ['actors', 'protocol', 'storage', 'gateway']) {
      await cp(join(root, folder), join(copy, folder), { recursive: true })
    }
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
    await setVersion(copy)
    await dropMigrations(join(copy, 'storage', 'migrations'))
    for (const patch of patches) await apply(copy, patch)
    return build
  } catch (error) {
    await build[Symbol.asyncDispose]()
    throw error
  }
}

async function setVersion(copy: string): Promise<void> {
  // The cast is sound: the file is part of the program.
  const about = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as object
  await writeFile(join(copy, 'package.json'), JSON.stringify({ ...about, version: olderVersion }))
}

async function dropMigrations(folder: string): Promise<void> {
  for (const file of await readdir(folder)) {
    if (Number.parseInt(file, 10) > lastMigration) await rm(join(folder, file))
  }
}

async function apply(copy: string, { file, find, replace }: Patch): Promise<void> {
  const path = join(copy, file)
  const text = await readFile(path, 'utf8')
  if (text.split(find).length !== 2) throw new Error(`${file}: "${find}" does not occur exactly once`)
  await writeFile(
    path,
    text.replace(find, () => replace),
  )
}
