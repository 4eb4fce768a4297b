/**
 * Latencies as counts in buckets of less than one percent width, from a microsecond to minutes: exact enough for percentiles, and small
 * enough to be sent between processes and added up over rounds.
 */

const subBuckets = 128
const maxExponent = 32

/** What is sent between processes. */
export interface HistogramData {
  readonly counts: readonly number[]
}

export class Histogram {
  readonly #counts: number[]
  #total = 0

  constructor(data?: HistogramData) {
    this.#counts = Array.from({ length: subBuckets * maxExponent }, (_, index) => data?.counts[index] ?? 0)
    for (const count of this.#counts) this.#total += count
  }

  /** How many values were recorded. */
  get total(): number {
    return this.#total
  }

  /** Records one latency in milliseconds; one below zero counts as zero. */
  record(ms: number): void {
    const index = bucketOf(Math.max(0, Math.round(ms * 1000)))
    this.#counts[index] = (this.#counts[index] ?? 0) + 1
    this.#total++
  }

  /** Adds what another one has recorded. */
  add(other: HistogramData): void {
    other.counts.forEach((count, index) => {
      this.#counts[index] = (this.#counts[index] ?? 0) + count
      this.#total += count
    })
  }

  /** The latency in milliseconds that the given share (0 to 1) of the values does not exceed; NaN if there are none. */
  percentile(share: number): number {
    if (this.#total === 0) return Number.NaN
    const wanted = Math.max(1, Math.ceil(this.#total * share))
    let seen = 0
    for (let index = 0; index < this.#counts.length; index++) {
      seen += this.#counts[index] ?? 0
      if (seen >= wanted) return middleOf(index) / 1000
    }
    return Number.NaN
  }

  toData(): HistogramData {
    return { counts: this.#counts }
  }
}

/** Values below 2 × 128 have a bucket each; above, 128 buckets for each power of two. */
function bucketOf(us: number): number {
  if (us < 2 * subBuckets) return us
  const shift = 31 - Math.clz32(us) - 7
  return Math.min(subBuckets * maxExponent - 1, shift * subBuckets + (us >>> shift))
}

function middleOf(index: number): number {
  if (index < 2 * subBuckets) return index
  const shift = Math.floor(index / subBuckets) - 1
  return (index - shift * subBuckets + 0.5) * 2 ** shift
}
