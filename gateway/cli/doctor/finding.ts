/** What the doctor has found: one line each, and what to do about it unless it is well. */

export type Verdict = 'ok' | 'warning' | 'problem'

export interface Finding {
  /** What was looked at, in a word or two. */
  readonly area: string
  readonly verdict: Verdict
  readonly what: string
  readonly remedy?: string
}

export function well(area: string, what: string): Finding {
  return { area, verdict: 'ok', what }
}

/** Something that will bite, or is unusual. */
export function warning(area: string, what: string, remedy: string): Finding {
  return { area, verdict: 'warning', what, remedy }
}

/** Something that does not work, or may lose data. */
export function problem(area: string, what: string, remedy: string): Finding {
  return { area, verdict: 'problem', what, remedy }
}

/** The words of an error, with those of its cause where fetch hides the reason there. */
export function reasonOf(error: unknown): string {
  if (!Error.isError(error)) return 'something that is no error was thrown'
  const { cause } = error
  if (error.message === 'fetch failed' && Error.isError(cause)) return reasonOf(cause)
  const code: unknown = 'code' in error ? error.code : undefined
  return error.message === '' && typeof code === 'string' ? code : error.message
}

/** Such as `1.5 GiB`. */
export function bytesInWords(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}
