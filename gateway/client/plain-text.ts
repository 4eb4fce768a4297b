/** Strings that go into text columns: PostgreSQL cannot hold U+0000 there. */

import { z } from 'zod'

/** A string of at most `max` characters without U+0000. */
export function plainText(max: number): z.ZodString {
  return z
    .string()
    .max(max)
    .regex(/^[^\0]*$/, 'must not contain U+0000')
}

/** True for what may be looked for in a text column. */
export function isPlainText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}
