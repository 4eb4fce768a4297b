/**
 * Nodes of the content-addressed state trie: their names, their bytes, and what makes them canonical.
 *
 * A state maps (type, state_key) to an event number. Its keys are hashed to 128 bits, and the trie walks the hash four
 * bits at a time. Which nodes exist depends on nothing but the set of entries:
 *
 *   bucket   00 | count (1)              | count × ( key hash (16), event number (7, big-endian) ), by ascending key
 *   branch   01 | bitmap (2) | size (4)  | one node id (16) per set bit, from bit 0 upwards
 *
 * A subtree of at most 32 entries is one bucket; a larger one is a branch on the next four bits, with a child for each
 * value that occurs and the number of entries below it. The empty state is the bucket of no entries, at the root only.
 * So equal states have equal roots however they came about.
 *
 * In memory the bytes of a node are a string with one character per byte. V8 keeps such a string in place at one
 * byte a character, where a typed array would cost more than most nodes hold.
 */
import { hash } from 'node:crypto'

declare const brand: unique symbol

/** The name of a node: 128 bits of the SHA-256 of its bytes, as 22 characters of base64url. */
export type NodeId = string & { readonly [brand]: 'NodeId' }

/** The hash of a (type, state_key): 128 bits, as 32 lower-case hexadecimal digits. */
export type KeyHash = string & { readonly [brand]: 'KeyHash' }

/** A node in memory. `data` is for this folder alone; others pass nodes on, or encode them. */
export interface TrieNode {
  readonly id: NodeId
  /** The node's bytes, one character each. */
  readonly data: string
}

/** The most entries that one node holds before it is split. */
export const bucketLimit = 32

export const keyBytes = 16
export const entryBytes = 23
const idBytes = 16
const bucketHeaderBytes = 2
const branchHeaderBytes = 7
const branchTag = 1
const idPattern = /^[A-Za-z0-9_-]{21}[AQgw]$/

/** The hash under which a state entry is kept. State keys are remote input, so it is one that nobody can make collide. */
export function stateKeyHash(type: string, stateKey: string): KeyHash {
  const text = `${Buffer.byteLength(type)}:${type}${Buffer.byteLength(stateKey)}:${stateKey}`
  // The copy lets go of the whole digest, which a slice would keep in memory.
  return Buffer.from(hash('sha256', text, 'hex').slice(0, 2 * keyBytes), 'latin1').toString(
    'latin1',
  ) as KeyHash
}

/** Whether a string has the form of a node id. */
export function isNodeId(text: string): text is NodeId {
  return idPattern.test(text)
}

/** The 16 bytes of a node id, as they stand in a database column. */
export function nodeIdToBytes(id: NodeId): Uint8Array {
  return new Uint8Array(Buffer.from(id, 'base64url'))
}

/** The node id that 16 bytes stand for. Throws RangeError when there are not 16. */
export function nodeIdFromBytes(bytes: Uint8Array): NodeId {
  if (bytes.length !== idBytes) throw new RangeError(`A node id has ${idBytes} bytes, not ${bytes.length}.`)
  return viewOf(bytes).toString('base64url', 0, idBytes) as NodeId
}

/** The bytes of a node, for storage. */
export function encodeNode(node: TrieNode): Uint8Array {
  return new Uint8Array(Buffer.from(node.data, 'latin1'))
}

/** The number of bytes that `encodeNode` gives. */
export function nodeSizeBytes(node: TrieNode): number {
  return node.data.length
}

/**
 * The node with these bytes. Throws RangeError when they are not the bytes that `id` names, or no node at all: damaged
 * storage must not pass for a state.
 */
export function decodeNode(id: NodeId, bytes: Uint8Array): TrieNode {
  const node = makeNode(viewOf(bytes).toString('latin1'))
  if (node.id !== id) throw new RangeError(`The bytes stored for state node ${id} are those of ${node.id}.`)
  const fault = isBranch(node) ? branchFault(node.data) : bucketFault(node.data)
  if (fault !== undefined) throw new RangeError(`State node ${id} is malformed: ${fault}.`)
  return node
}

function branchFault(data: string): string | undefined {
  if (data.length < branchHeaderBytes) return 'its header is cut off'
  let children = 0
  for (let nibble = 0; nibble < 16; nibble++) if ((branchBitmap(data) >> nibble) & 1) children++
  if (children === 0 || data.length !== branchHeaderBytes + children * idBytes)
    return 'its bitmap and length differ'
  if (branchSize(data) <= bucketLimit) return 'it is too small to be a branch'
  return undefined
}

function bucketFault(data: string): string | undefined {
  const count = data.charCodeAt(1)
  if (data.length < bucketHeaderBytes || data.charCodeAt(0) !== 0) return 'its first bytes are unknown'
  if (count > bucketLimit || data.length !== bucketHeaderBytes + count * entryBytes)
    return 'its length is wrong'
  const entries = bucketEntries(data)
  for (const [index, entry] of entries.entries()) {
    const before = entries[index - 1]
    if (before !== undefined && entryKey(before) >= entryKey(entry))
      return 'its keys are not in ascending order'
    if (!Number.isSafeInteger(entryNumber(entry))) return 'an event number is too large'
  }
  return undefined
}

// Everything below reads and writes the one-character-per-byte form, for the trie's operations.

/** A node of the given bytes, with its name. */
export function makeNode(data: string): TrieNode {
  const bytes = Buffer.allocUnsafe(4 + data.length)
  bytes.writeUInt32BE(data.length, 0)
  bytes.write(data, 4, 'latin1')
  return { id: hash('sha256', bytes, 'buffer').toString('base64url', 0, idBytes) as NodeId, data }
}

/** The binary form of a key hash, by which entries are sorted. */
export function packKey(key: KeyHash): string {
  return Buffer.from(key, 'hex').toString('latin1')
}

/** The key hash of a packed entry or key. */
export function unpackKey(entry: string): KeyHash {
  return Buffer.from(entry.slice(0, keyBytes), 'latin1').toString('hex') as KeyHash
}

/** A packed entry: key, then event number. Throws RangeError for a number that is no event number. */
export function packEntry(key: string, eventNumber: number): string {
  if (!Number.isSafeInteger(eventNumber) || eventNumber < 0) {
    throw new RangeError(`An event number is an integer from 0 to 2^53 - 1, not ${eventNumber}.`)
  }
  const high = Math.floor(eventNumber / 0x1_0000_0000)
  const low = eventNumber % 0x1_0000_0000
  return (
    key +
    String.fromCharCode((high >> 16) & 255, (high >> 8) & 255, high & 255) +
    String.fromCharCode(low >>> 24, (low >>> 16) & 255, (low >>> 8) & 255, low & 255)
  )
}

export function entryKey(entry: string): string {
  return entry.slice(0, keyBytes)
}

export function entryNumber(entry: string, offset = 0): number {
  let value = 0
  for (let i = offset + keyBytes; i < offset + entryBytes; i++) value = value * 256 + entry.charCodeAt(i)
  return value
}

/** The four bits of a packed key (or entry) that decide at this depth. */
export function nibbleAt(key: string, depth: number): number {
  const byte = key.charCodeAt(depth >> 1)
  return depth & 1 ? byte & 15 : byte >> 4
}

export function isBranch(node: TrieNode): boolean {
  return node.data.charCodeAt(0) === branchTag
}

export function bucketNode(entries: readonly string[]): TrieNode {
  return makeNode([`\0${String.fromCharCode(entries.length)}`, ...entries].join(''))
}

export function bucketEntries(data: string): string[] {
  const entries: string[] = []
  for (let at = bucketHeaderBytes; at < data.length; at += entryBytes)
    entries.push(data.slice(at, at + entryBytes))
  return entries
}

/** The event number under a packed key in a bucket. */
export function bucketGet(data: string, key: string): number | undefined {
  for (let at = bucketHeaderBytes; at < data.length; at += entryBytes) {
    if (data.startsWith(key, at)) return entryNumber(data, at)
  }
  return undefined
}

/** A branch over these children, each as its packed id. */
export function branchNode(size: number, children: readonly (string | undefined)[]): TrieNode {
  let bitmap = 0
  const parts = ['']
  for (const [nibble, child] of children.entries()) {
    if (child === undefined) continue
    bitmap |= 1 << nibble
    parts.push(child)
  }
  parts[0] = String.fromCharCode(
    branchTag,
    bitmap >> 8,
    bitmap & 255,
    ...[24, 16, 8, 0].map((shift) => (size >>> shift) & 255),
  )
  return makeNode(parts.join(''))
}

function branchBitmap(data: string): number {
  return data.charCodeAt(1) * 256 + data.charCodeAt(2)
}

/** The number of entries below a branch. */
export function branchSize(data: string): number {
  let size = 0
  for (let i = 3; i < branchHeaderBytes; i++) size = size * 256 + data.charCodeAt(i)
  return size
}

/** The child of a branch under these four bits. */
export function branchChild(data: string, nibble: number): NodeId | undefined {
  const bitmap = branchBitmap(data)
  if (!((bitmap >> nibble) & 1)) return undefined
  let index = 0
  for (let below = bitmap & ((1 << nibble) - 1); below !== 0; below &= below - 1) index++
  const at = branchHeaderBytes + index * idBytes
  return unpackId(data.slice(at, at + idBytes))
}

/** All children of a branch, by their four bits. */
export function branchChildren(data: string): (NodeId | undefined)[] {
  return packedChildren(data).map((child) => (child === undefined ? undefined : unpackId(child)))
}

/** All children of a branch, by their four bits, as packed ids: no conversion for those that nobody looks at. */
export function packedChildren(data: string): (string | undefined)[] {
  const bitmap = branchBitmap(data)
  const children: (string | undefined)[] = []
  for (let nibble = 0, at = branchHeaderBytes; nibble < 16; nibble++) {
    const present = ((bitmap >> nibble) & 1) === 1
    children.push(present ? data.slice(at, at + idBytes) : undefined)
    if (present) at += idBytes
  }
  return children
}

export function packId(id: NodeId): string {
  return Buffer.from(id, 'base64url').toString('latin1')
}

export function unpackId(packed: string): NodeId {
  return Buffer.from(packed, 'latin1').toString('base64url') as NodeId
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
