/**
 * What a command of the command line is, and what it gets.
 */

import type { ParseArgsOptionsConfig } from 'node:util'
import type { Config } from '../config/schema.ts'
import type { Compose } from '../running.ts'
import type { Terminal } from './terminal.ts'

export interface Command {
  /** One or two words, such as `user create`. */
  readonly name: string
  /** Its arguments, for the help: `NAME [--admin]`. */
  readonly usage: string
  /** One line for the list of commands. */
  readonly summary: string
  readonly options: ParseArgsOptionsConfig
  /** How many words it takes beside options. */
  readonly positionals: number
  /** Returns the exit code. What it throws is told as one line, without a stack where it is a known failure. */
  run(invocation: Invocation): Promise<number>
}

export interface Invocation {
  readonly positionals: readonly string[]
  readonly values: Readonly<Record<string, unknown>>
  readonly terminal: Terminal
  /** Reads the configuration. Throws ConfigError. */
  readonly config: () => Config
  readonly compose: Compose
}

/** The command was called in a way that it does not understand; its usage is shown. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The command cannot do what it was asked to; the message says why and what to do. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}
