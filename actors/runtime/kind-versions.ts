/**
 * Which version of the program understands which kind of message. While hosts are replaced one by one, two versions answer requests, and
 * a shard may go from the newer to the older: a new kind is asked only when every owner of shards understands it (DESIGN.md §5).
 */

/**
 * Kinds that the first version did not understand, as `actor.kind`, with the version since which they are understood. An entry is
 * needed as soon as a release has been made without the kind, and `contracts.txt` shows it.
 */
export const kindsSince: Readonly<Record<string, string>> = {}

/** Below 0 where `a` is the older version, 0 for equal ones. Versions are numbers with dots; a part that is none counts as 0. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)]
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function partsOf(version: string): number[] {
  return version.split(/[.-]/).map((part) => (/^\d+$/.test(part) ? Number(part) : 0))
}
