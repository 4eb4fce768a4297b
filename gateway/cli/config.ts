/**
 * `troupe config`: the reference of all settings; with --check, whether those in force are valid.
 */

import { configReference } from '../config/reference.ts'
import type { Command } from './command.ts'

export const config: Command = {
  name: 'config',
  usage: '[--check]',
  summary: 'Print all settings with their meaning and default',
  options: { check: { type: 'boolean', default: false } },
  positionals: 0,
  async run({ config: readConfig, terminal, values }) {
    if (values['check'] !== true) {
      terminal.write(configReference())
      return 0
    }
    readConfig()
    terminal.write('The configuration is valid.\n')
    return 0
  },
}
