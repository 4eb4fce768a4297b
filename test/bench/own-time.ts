/** Rates by the processor time of the measuring thread alone: what else runs on the machine does not count. */

/** Milliseconds of processor time that this thread has used so far. Some kernels count in steps of a few milliseconds. */
function ownMilliseconds(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** The middle value. Throws RangeError without one. */
export function medianOf(values: readonly number[]): number {
  const middle = values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
  if (middle === undefined) throw new RangeError('There is no value.')
  return middle
}

/** How work is repeated until it can be measured. */
const warmUpMs = 200
const roundMs = 150
const rounds = 7

/**
 * How many times in a second this thread can do each of these pieces of work. They take turns, so that what slows the machine for a
 * while slows all alike; the median of the rounds counts. Each piece says how many operations one call of it is.
 */
export function ratesPerSecond(pieces: readonly { readonly operations: number; run(): void }[]): number[] {
  for (const piece of pieces) rateOf(piece, warmUpMs)
  const rates = pieces.map((): number[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [at, piece] of pieces.entries()) rates[at]?.push(rateOf(piece, roundMs))
  }
  return rates.map(medianOf)
}

function rateOf(piece: { readonly operations: number; run(): void }, leastMs: number): number {
  const start = ownMilliseconds()
  let operations = 0
  let used = 0
  while (used < leastMs) {
    piece.run()
    operations += piece.operations
    used = ownMilliseconds() - start
  }
  return (operations / used) * 1000
}
