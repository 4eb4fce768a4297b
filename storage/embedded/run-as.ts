/**
 * Postgres refuses to run as root. Where this program does, the server runs as another user, and what it needs must be reachable
 * for that user: a checkout or a data directory under `/root` is not, and goes to `/var/lib/troupe` instead.
 */

import { chown, cp, lstat, mkdir, readFile, realpath, rename, rm, stat, symlink } from 'node:fs/promises'
import { createHash, randomUUID } from 'node:crypto'
import { basename, dirname, join } from 'node:path'

/** The user of the server; undefined where it runs as we do. */
export interface RunAs {
  readonly uid: number
  readonly gid: number
}

const sharedFolder = '/var/lib/troupe'

/** Whom the server runs as: ourselves, or, if we are root, the user `postgres`, else `nobody`. */
export async function serverUser(): Promise<RunAs | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'))
  const found = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody')
  const uid = Number(found?.[2])
  const gid = Number(found?.[3])
  if (!Number.isInteger(uid) || !Number.isInteger(gid)) {
    throw new Error(
      'PostgreSQL does not run as root, and there is no user "postgres" or "nobody": add one, or start as another user.',
    )
  }
  return { uid, gid }
}

/** True if the user may pass through every directory on the way to the path. */
export async function isReachable(path: string, user: RunAs): Promise<boolean> {
  for (let at = await realpath(path); ; at = dirname(at)) {
    const { mode, uid, gid } = await stat(at)
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001
    if ((mode & bit) === 0) return false
    if (at === dirname(at)) return true
  }
}

/** A folder that the user can reach with the same content: the folder itself, or a copy that is made once. */
export async function reachableCopy(folder: string, name: string, user: RunAs): Promise<string> {
  if (await isReachable(folder, user)) return folder
  const copy = join(sharedFolder, name)
  if (await exists(copy)) return copy
  await mkdir(sharedFolder, { recursive: true, mode: 0o755 })
  const making = `${copy}.${randomUUID()}`
  await cp(folder, making, { recursive: true, verbatimSymlinks: true })
  await renameUnlessThere(making, copy)
  return copy
}

/**
 * The directory `name` in the data directory, as a path that the user can reach: itself, or one under `/var/lib/troupe` that it
 * then is a symbolic link to.
 */
export async function reachableDirectory(
  dataDirectory: string,
  name: string,
  user: RunAs | undefined,
): Promise<string> {
  const wished = join(await realpath(dataDirectory), name)
  if (user === undefined || (await isReachable(dataDirectory, user))) return wished
  if (await exists(wished)) return realpath(wished)
  const digest = createHash('sha256').update(wished).digest('hex').slice(0, 16)
  const place = join(sharedFolder, `${basename(dirname(wished))}-${digest}`, name)
  await mkdir(place, { recursive: true })
  await chown(dirname(place), user.uid, user.gid)
  await chown(place, user.uid, user.gid)
  await symlink(place, wished)
  return place
}

/** Renames a directory; where another process was quicker, ours is removed. */
export async function renameUnlessThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if (!isCode(error, 'ENOTEMPTY') && !isCode(error, 'EEXIST')) throw error
    await rm(from, { recursive: true, force: true })
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false
    throw error
  }
}

/** True for a system error with this code. */
export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
