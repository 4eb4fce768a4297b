/**
 * The only entry point: `node gateway/main.ts COMMAND`.
 */

import { runCommandLine } from './cli/run.ts'
import { terminalOf } from './cli/terminal.ts'
import { compose } from './compose.ts'
import { loadConfig, processSource } from './config/load.ts'

process.exitCode = await runCommandLine({
  args: process.argv.slice(2),
  terminal: terminalOf({ input: process.stdin, output: process.stdout, errors: process.stderr }),
  config: () => loadConfig(processSource()),
  compose,
})
