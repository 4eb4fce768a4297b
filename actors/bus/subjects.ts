/**
 * The only file that builds a subject. Subjects are made of literals, integers and base64url alone, so that nothing a
 * client or another server chose can become a separator or a wildcard.
 */

declare const brand: unique symbol

export type Subject = string & { readonly [brand]: 'Subject' }

/** The kinds of actor, each with one request subject per shard. */
export type ActorKind = 'room' | 'user' | 'interaction'

export const actorKinds: readonly ActorKind[] = ['room', 'user', 'interaction']

function shardToken(shard: number): string {
  if (!Number.isSafeInteger(shard) || shard < 0) throw new RangeError(`not a shard: ${shard}`)
  return String(shard)
}

/** Requests to the actors of one kind in a shard, served by the shard's owner. */
export function actorSubject(kind: ActorKind, shard: number): Subject {
  return `${kind}.${shardToken(shard)}` as Subject
}

/** Requests to the owner of a shard as such: follow, unfollow. */
export function shardSubject(shard: number): Subject {
  return `shard.${shardToken(shard)}` as Subject
}

/** On which a shard's owner announces `{epoch, head}`. */
export function logSubject(shard: number): Subject {
  return `log.${shardToken(shard)}` as Subject
}

/** What the owners of shards send to one host: entries of what it follows. `hostId` is decimal text of 63 bits. */
export function hostSubject(hostId: string): Subject {
  if (!/^[0-9]{1,19}$/.test(hostId)) throw new RangeError('not a host id')
  return `host.${hostId}` as Subject
}

/** Requests to one host for what only it knows, by whoever shows it to operators. `hostId` is decimal text of 63 bits. */
export function statusSubject(hostId: string): Subject {
  if (!/^[0-9]{1,19}$/.test(hostId)) throw new RangeError('not a host id')
  return `status.${hostId}` as Subject
}

/** On which a host says that it drains or leaves, so that others claim at once. */
export const ownershipSubject: Subject = 'ownership' as Subject
