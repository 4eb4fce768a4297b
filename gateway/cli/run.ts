/**
 * The command line: finds the command, reads its arguments, and turns what it throws into a line and an exit code
 * (0 done, 1 failed, 2 called wrongly).
 */

import { parseArgs } from 'node:util'
import { DataDirectoryUnusable } from '#storage/data-directory.ts'
import { DataDirectoryInUse } from '#storage/embedded.ts'
import { SchemaMismatch } from '#storage/migrate.ts'
import { UnsafeSettings } from '#storage/settings.ts'
import { ConfigError } from '../config/load.ts'
import { nearest } from '../config/nearest.ts'
import type { Config } from '../config/schema.ts'
import { ListenError } from '../http/server.ts'
import type { Compose } from '../running.ts'
import { type Command, CommandError, UsageError } from './command.ts'
import { config } from './config.ts'
import { doctor } from './doctor.ts'
import { drain } from './drain.ts'
import { helpCommand, helpText } from './help.ts'
import { migrate } from './migrate.ts'
import { restore } from './restore.ts'
import { start } from './start.ts'
import { status } from './status.ts'
import type { Terminal } from './terminal.ts'
import { userCreate } from './user-create.ts'

const workCommands: readonly Command[] = [start, userCreate, status, drain, doctor, migrate, restore, config]

export interface CommandLine {
  readonly args: readonly string[]
  readonly terminal: Terminal
  readonly config: () => Config
  readonly compose: Compose
}

/** Runs a command line. Returns the exit code and never throws. */
export async function runCommandLine(line: CommandLine): Promise<number> {
  const commands = [...workCommands, helpCommand(workCommands)]
  const args = line.args.length === 0 || isHelpFlag(line.args) ? ['help'] : line.args
  const command = commands.find((each) => each.name.split(' ').every((word, index) => args[index] === word))
  if (command === undefined) return unknownCommand(line.terminal, args, commands)
  try {
    return await runCommand(command, args.slice(command.name.split(' ').length), line)
  } catch (error) {
    return tellFailure(line.terminal, command, error)
  }
}

function isHelpFlag(args: readonly string[]): boolean {
  return args.length === 1 && (args[0] === '--help' || args[0] === '-h')
}

function unknownCommand(terminal: Terminal, args: readonly string[], commands: readonly Command[]): number {
  const given = args.slice(0, 2).join(' ')
  const guess = nearest(
    given,
    commands.map((command) => command.name),
  )
  const hint = guess === undefined ? '' : ` Did you mean: npx troupe ${guess}?`
  terminal.warn(`There is no command "${given}".${hint}\n\n${helpText(commands)}`)
  return 2
}

async function runCommand(command: Command, args: readonly string[], line: CommandLine): Promise<number> {
  if (isHelpFlag(args)) {
    line.terminal.write(`${command.summary}\n${usageOf(command)}\n`)
    return 0
  }
  const { values, positionals } = parse(command, args)
  if (positionals.length !== command.positionals) {
    throw new UsageError(
      positionals.length < command.positionals ? 'Something is missing.' : 'That is too much.',
    )
  }
  return await command.run({ ...line, values, positionals })
}

function parse(command: Command, args: readonly string[]): ReturnType<typeof parseArgs> {
  try {
    return parseArgs({ args: [...args], options: command.options, allowPositionals: true, strict: true })
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause })
  }
}

/** Failures whose message says all that a person needs. */
const knownFailures = [
  CommandError,
  ConfigError,
  DataDirectoryInUse,
  DataDirectoryUnusable,
  ListenError,
  SchemaMismatch,
  UnsafeSettings,
]

function usageOf(command: Command): string {
  return `Usage: npx troupe ${command.name} ${command.usage}`.trimEnd()
}

function tellFailure(terminal: Terminal, command: Command, thrown: unknown): number {
  const error = thrown instanceof SuppressedError ? (thrown.suppressed as unknown) : thrown
  if (error instanceof UsageError) {
    terminal.warn(`${error.message}\n${usageOf(command)}\n`)
    return 2
  }
  if (error instanceof ConfigError) {
    terminal.warn(
      `The configuration cannot be used:\n${error.problems.map((problem) => `  ${problem}\n`).join('')}`,
    )
  } else if (Error.isError(error)) {
    const isKnown = knownFailures.some((kind) => error instanceof kind)
    terminal.warn(`${isKnown ? error.message : databaseSentence(error)}\n`)
  } else {
    terminal.warn('Something that is no error was thrown.\n')
  }
  return 1
}

/** A database that cannot be reached is the commonest failure of all; everything else shows its stack. */
function databaseSentence(error: Error): string {
  const code: unknown = 'code' in error ? error.code : undefined
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'CONNECT_TIMEOUT' || code === '28P01') {
    return `The database or NATS cannot be reached: ${error.message}. Check DATABASE_URL and NATS_URL.`
  }
  return error.stack ?? error.message
}
