/**
 * The terminal of a command: text out, errors out, secrets in.
 */

import type { Readable, Writable } from 'node:stream'
import type { ReadStream } from 'node:tty'
import { CommandError } from './command.ts'

export interface Terminal {
  /** Writes to standard output. */
  write(text: string): void
  /** Writes to standard error. */
  warn(text: string): void
  /**
   * A secret from the person at the terminal, who does not see it; or, where standard input is not a terminal, its first line. Throws
   * CommandError when there is none.
   */
  readSecret(prompt: string): Promise<string>
  /** Asks the person at the terminal; only a typed `yes` is one. Undefined where standard input is not a terminal. */
  confirm(question: string): Promise<boolean | undefined>
}

export interface TerminalStreams {
  readonly input: Readable & Partial<Pick<ReadStream, 'isTTY' | 'setRawMode'>>
  readonly output: Writable
  readonly errors: Writable
}

export function terminalOf({ input, output, errors }: TerminalStreams): Terminal {
  return {
    write: (text) => void output.write(text),
    warn: (text) => void errors.write(text),
    readSecret: (prompt) => {
      if (input.isTTY !== true || input.setRawMode === undefined) return readLine(input)
      errors.write(prompt)
      input.setRawMode(true)
      return readTyped(input).finally(() => {
        input.setRawMode?.(false)
        errors.write('\n')
      })
    },
    confirm: async (question) => {
      if (input.isTTY !== true) return undefined
      errors.write(question)
      return (await firstLine(input)).trim().toLowerCase() === 'yes'
    },
  }
}

/** The longest secret that is read, in characters. */
const maxSecretLength = 512

/** What stands before the first end of a line, as far as it has come when the input ends or becomes too long. */
async function firstLine(input: Readable): Promise<string> {
  let text = ''
  for await (const chunk of input.setEncoding('utf8')) {
    text += String(chunk)
    if (text.includes('\n') || text.length > maxSecretLength) break
  }
  return text.split(/\r?\n/)[0] ?? ''
}

async function readLine(input: Readable): Promise<string> {
  const line = await firstLine(input)
  if (line === '' || line.length > maxSecretLength)
    throw new CommandError('Standard input has no password in its first line.')
  return line
}

const enter = new Set(['\r', '\n', '\u0004'])
const interrupt = '\u0003'
const erase = new Set(['\u007f', '\b'])

/** Reads keys in raw mode until Enter. */
function readTyped(input: Readable): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let typed = ''
  function onData(chunk: string): void {
    for (const key of chunk) {
      if (enter.has(key)) return finish(() => resolve(typed))
      if (key === interrupt) return finish(() => reject(new CommandError('Cancelled.')))
      if (erase.has(key)) typed = typed.slice(0, -1)
      else if (key >= ' ' && typed.length < maxSecretLength) typed += key
    }
  }
  function finish(settle: () => void): void {
    input.off('data', onData)
    input.pause()
    settle()
  }
  input.setEncoding('utf8')
  input.on('data', onData)
  return promise
}
