import type { Reads } from '#storage/reads.ts'
import { StateReader } from '#storage/rooms/state-reader.ts'

/** What has been read of states through each database of this process, for as long as that is open. */
const readers = new WeakMap<Reads, StateReader>()

/** The reader of rooms' states that all requests of this process share. */
export function stateReader(reads: Reads): StateReader {
  return readers.getOrInsertComputed(reads, () => new StateReader(reads))
}
