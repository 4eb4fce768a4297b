/** The data directory: whether it is there, writable, private, and how much room is left. */

import { access, constants, stat, statfs } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Config } from '../../config/schema.ts'
import { bytesInWords, type Finding, problem, reasonOf, warning, well } from './finding.ts'

const area = 'data directory'
const gibibyte = 1024 ** 3
/** Below these free bytes it is a problem, or a warning. */
const tooLittle = 0.5 * gibibyte
const little = 5 * gibibyte
const othersMayRead = 0o004

export async function examineDataDirectory(config: Config): Promise<Finding[]> {
  const path = resolve(config.dataDir)
  try {
    const { mode } = await stat(path)
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
    const { bavail, bsize } = await statfs(path)
    return [spaceFinding(path, bavail * bsize), ...privacyFindings(path, mode)]
  } catch (error) {
    if (isMissing(error)) return [well(area, `${path} does not exist yet; the first start makes it`)]
    return [
      problem(
        area,
        `${path} cannot be used: ${reasonOf(error)}`,
        'Let the user of the server read and write there, or set TROUPE_DATA_DIR to another folder.',
      ),
    ]
  }
}

/** `free`: bytes that the user of the server may still write there. */
export function spaceFinding(path: string, free: number): Finding {
  const what = `${path} is writable, ${bytesInWords(free)} are free`
  const remedy = 'Make room, or move the folder to a larger disk: without room nothing can be stored.'
  if (free < tooLittle) return problem(area, what, remedy)
  return free < little ? warning(area, what, remedy) : well(area, what)
}

function privacyFindings(path: string, mode: number): Finding[] {
  if ((mode & othersMayRead) === 0) return []
  return [
    warning(area, 'every user of this machine can list it', `It holds people's files: chmod o-r ${path}`),
  ]
}

function isMissing(error: unknown): boolean {
  return Error.isError(error) && 'code' in error && error.code === 'ENOENT'
}
