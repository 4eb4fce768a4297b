import type { StoredEvent } from '#storage/entry.ts'
import type { Reads } from '#storage/reads.ts'
import type { NodeId } from '#protocol/state/trie-node.ts'
import { stateReader } from './state-reader.ts'

/** The member events of the senders of some events, in the state at a root. Client-server API v1.19, "Lazy-loading room members". */
export async function membersOfSenders(
  reads: Reads,
  where: { readonly roomNid: number; readonly root: NodeId },
  events: readonly StoredEvent[],
): Promise<StoredEvent[]> {
  const senders = [...new Set(events.map((event) => event.sender))]
  const queries = senders.map((stateKey) => ({ ...where, type: 'm.room.member', stateKey }))
  const found = await stateReader(reads).getMany(queries)
  return found.filter((event) => event !== undefined)
}
