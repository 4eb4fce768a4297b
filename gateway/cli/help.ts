import type { Command } from './command.ts'
import { formatTable } from './table.ts'

/** The list of commands. */
export function helpText(commands: readonly Command[]): string {
  const rows = commands.map((command) => [`  ${`${command.name} ${command.usage}`.trim()}`, command.summary])
  return `Troupe, a Matrix homeserver.\n\nUsage: npx troupe COMMAND\n\n${formatTable(rows)}`
}

/** `troupe help`. */
export function helpCommand(commands: readonly Command[]): Command {
  const help: Command = {
    name: 'help',
    usage: '',
    summary: 'Show this list',
    options: {},
    positionals: 0,
    async run({ terminal }) {
      terminal.write(helpText([...commands, help]))
      return 0
    },
  }
  return help
}
