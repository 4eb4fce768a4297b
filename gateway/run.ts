/** The command line, given the real terminal, environment and composition. */

import { runCommandLine } from './cli/run.ts'
import { terminalOf } from './cli/terminal.ts'
import { compose } from './compose.ts'
import { loadConfig, processSource } from './config/load.ts'

/** Runs the command that this process was started with, and sets its exit code. */
export async function run(): Promise<void> {
  // What cannot be printed, for want of space or of a reader, is no reason to end.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => {})
  process.exitCode = await runCommandLine({
    args: process.argv.slice(2),
    terminal: terminalOf({ input: process.stdin, output: process.stdout, errors: process.stderr }),
    config: () => loadConfig(processSource()),
    compose,
  })
}
