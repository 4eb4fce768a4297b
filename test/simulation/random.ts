/** Chance from a seed, of which neighbours have nothing in common. */

import type { Random } from '#actors/runtime/clock.ts'
import { seededRandom } from '#test/support/manual-clock.ts'

/** The same numbers for the same seed and stream. */
export function randomOf(seed: number, stream: number): Random {
  let state = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
  state = Math.imul(state ^ (state >>> 15), 0x735a2d97)
  return seededRandom((state ^ (state >>> 15)) >>> 0)
}
