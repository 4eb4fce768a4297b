/** The folder of media and of the embedded PostgreSQL: made at the start, or refused in a sentence. */

import { access, constants, mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** The data directory cannot be made, or this user may not write there. */
export class DataDirectoryUnusable extends Error {
  override readonly name = 'DataDirectoryUnusable'
}

/** What a file system says of a path that cannot be a data directory. */
const unusable: ReadonlySet<string> = new Set(['EACCES', 'EEXIST', 'ENOSPC', 'ENOTDIR', 'EPERM', 'EROFS'])

/** Makes the directory and those above it, with that mode, where they are missing. Throws `DataDirectoryUnusable`. */
export async function makeDataDirectory(path: string, mode: number): Promise<void> {
  try {
    await makeDirectory(path, mode)
    await access(path, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw isSystemError(error) ? refusal(path, error) : error
  }
}

/** Runs what works in the directory. What the file system refuses there is thrown as `DataDirectoryUnusable`. */
export async function inDataDirectory<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw isSystemError(error) && unusable.has(error.code) ? refusal(path, error) : error
  }
}

/**
 * As `mkdir` with `recursive`, which tries for ever where the parent is there and takes no child, as under `/proc`. Throws what the
 * file system says.
 */
async function makeDirectory(path: string, mode: number): Promise<void> {
  const missing = await makeOne(path, mode)
  if (missing === undefined) return
  const parent = dirname(path)
  if (parent === path) throw missing
  await makeDirectory(parent, mode)
  const refused = await makeOne(path, mode)
  if (refused !== undefined) throw refused
}

/** Makes a directory, unless it is there. Returns the failure where its parent is missing, and throws every other. */
async function makeOne(path: string, mode: number): Promise<Error | undefined> {
  try {
    await mkdir(path, { mode })
    return undefined
  } catch (error) {
    if (!isSystemError(error)) throw error
    if (error.code === 'ENOENT') return error
    if (error.code === 'EEXIST' && (await stat(path)).isDirectory()) return undefined
    throw error
  }
}

function refusal(path: string, cause: NodeJS.ErrnoException): DataDirectoryUnusable {
  return new DataDirectoryUnusable(
    `The data directory ${path} cannot be used (${cause.code}): let this user write there, or set ` +
      'TROUPE_DATA_DIR to another directory.',
    { cause },
  )
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return Error.isError(error) && 'code' in error && typeof error.code === 'string'
}
