/** Log lines as people read them at a terminal. Whatever else the log is sent to gets the JSON. */

import type { DestinationStream } from 'pino'
import { isJsonObject, objectField, stringField, type JsonObject } from '#protocol/json/types.ts'

/** A destination for pino that writes each line in words. */
export function readableLog(output: { write(text: string): unknown }): DestinationStream {
  return { write: (line) => void output.write(readableLine(line)) }
}

/** `11:08:12 warn  slow query  ms=282`, and below it what failed. A line that is no JSON object is passed on as it is. */
export function readableLine(line: string): string {
  const fact = parsed(line)
  if (fact === undefined) return line
  const { level, time, msg, host: _host, err, ...fields } = fact
  const words = [
    typeof time === 'number' ? timeOfDay(time) : '--:--:--',
    (typeof level === 'string' ? level : shown(level ?? '')).padEnd('error'.length),
    typeof msg === 'string' ? msg : shown(msg ?? ''),
    ...Object.entries(fields).map(([name, value]) => ` ${name}=${shown(value)}`),
  ]
  return `${words.join(' ')}\n${isJsonObject(err) ? failure(err) : ''}`
}

function parsed(line: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function timeOfDay(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 'hh:mm:ss'.length)
}

function shown(value: unknown): string {
  if (typeof value === 'number') return String(Math.round(value * 10) / 10)
  return typeof value === 'string' && !/\s/.test(value) ? value : JSON.stringify(value)
}

/** An error of `describeError` and its causes. */
function failure(error: JsonObject): string {
  const code = stringField(error, 'code')
  const head = `${stringField(error, 'name') ?? 'Error'}: ${stringField(error, 'message') ?? ''}`
  const stack = stringField(error, 'stack') ?? ''
  const text = `  ${head}${code === undefined ? '' : ` (${code})`}\n${stack === '' ? '' : `${stack}\n`}`
  const cause = objectField(error, 'cause')
  return cause === undefined ? text : text + failure(cause)
}
