/**
 * Errors as the log may show them. Messages of JSON.parse and of Postgres quote what they complain about, and that may be
 * somebody's message or password; so do the further fields of a database error.
 */

export interface ErrorDescription {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly stack: string
  readonly cause?: ErrorDescription
}

const maxCauses = 3

/** What of a thrown value goes into the log: name, message without quotations, code, call stack, and its causes. */
export function describeError(thrown: unknown, depth = 0): ErrorDescription {
  if (!Error.isError(thrown))
    return { name: typeof thrown, message: 'something that is no Error was thrown', stack: '' }
  const code: unknown = 'code' in thrown ? thrown.code : undefined
  const cause = thrown instanceof SuppressedError ? thrown.suppressed : thrown.cause
  return {
    name: thrown.name,
    message: safeMessage(thrown),
    ...(typeof code === 'string' ? { code } : {}),
    stack: callsOf(thrown.stack ?? ''),
    ...(cause !== undefined && depth < maxCauses ? { cause: describeError(cause, depth + 1) } : {}),
  }
}

function safeMessage(error: Error): string {
  if (error.name === 'SyntaxError') return 'the text has a wrong syntax'
  if (error.name === 'PostgresError') return error.message.replaceAll(/"[^"]*"/g, '"…"')
  return error.message
}

/** The lines of a stack that name places in the program; the others repeat the message. */
function callsOf(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .join('\n')
}
