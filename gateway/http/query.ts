/**
 * Readers of query parameters. Each throws M_INVALID_PARAM, or M_MISSING_PARAM, with the name of the parameter.
 */

import { MatrixError } from '#protocol/errors.ts'

/** Limits and default of a whole number. */
export interface IntegerRange {
  readonly fallback: number
  readonly min?: number
  /** A larger number is taken as this one: clients may ask for more than a server gives. */
  readonly cap?: number
}

/** A whole number. Throws M_INVALID_PARAM for anything else and for one below `min` (default 0). */
export function integerParam(query: URLSearchParams, name: string, range: IntegerRange): number {
  const text = query.get(name)
  if (text === null || text === '') return range.fallback
  const value = /^-?[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN
  const min = range.min ?? 0
  if (!(value >= min)) {
    throw new MatrixError(
      'M_INVALID_PARAM',
      `The parameter "${name}" must be a whole number of at least ${min}.`,
    )
  }
  return Math.min(value, range.cap ?? value)
}

/** `true` or `false`. Throws M_INVALID_PARAM for anything else. */
export function booleanParam(query: URLSearchParams, name: string, fallback: boolean): boolean {
  const text = query.get(name)
  if (text === null || text === '') return fallback
  if (text === 'true') return true
  if (text === 'false') return false
  throw new MatrixError('M_INVALID_PARAM', `The parameter "${name}" must be true or false.`)
}

/** One of some words. Throws M_INVALID_PARAM for anything else. */
export function choiceParam<const T extends string>(
  query: URLSearchParams,
  name: string,
  choices: readonly T[],
): T | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  const choice = choices.find((each) => each === text)
  if (choice === undefined) {
    throw new MatrixError('M_INVALID_PARAM', `The parameter "${name}" must be one of: ${choices.join(', ')}.`)
  }
  return choice
}

/** A parameter that must be there. Throws M_MISSING_PARAM. */
export function requiredParam(query: URLSearchParams, name: string): string {
  const text = query.get(name)
  if (text === null) throw new MatrixError('M_MISSING_PARAM', `The parameter "${name}" is missing.`)
  return text
}
