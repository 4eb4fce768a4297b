/**
 * The token of `/sync`: how far a client has been told of the log of every shard (DESIGN.md §4). It names no process, so
 * that nothing that happens to processes changes what it means.
 *
 *   text   = "s" base64url(bytes)
 *   bytes  = version  incarnation  shards  min  (pos − min) × shards  toDevice  activation
 *            every part is a varint; the version is 1
 *
 * Nothing in it is secret or signed: a client that changes its token harms only itself.
 */

/** A place in the sync stream of one device: what has been included so far. */
export interface SyncToken {
  /** Raised when the database may have lost commits: tokens of another incarnation say nothing about this one. */
  readonly incarnation: number
  /** Per shard the greatest position that was included. */
  readonly positions: readonly number[]
  /** The last to-device message included, a position in the user's shard; 0 if none ever was. */
  readonly toDevice: number
  /**
   * A counter of the user's activation, from a random start, for what is kept in memory only: typing. Another start than
   * the present one means that the present state is told once.
   */
  readonly activation: number
}

/** What a text is, when it is looked at as a sync token. */
export type ReadToken =
  | { readonly kind: 'token'; readonly token: SyncToken }
  | { readonly kind: 'unknown-version' }
  | { readonly kind: 'malformed' }

const prefix = 's'
const version = 1
const maxShards = 4096
const maxTextLength = 16_384

/** The token as text: letters, digits, `-` and `_` only. Throws RangeError for what is no counter. */
export function formatSyncToken(token: SyncToken): string {
  const { positions } = token
  let min = positions[0] ?? 0
  for (const pos of positions) if (pos < min) min = pos
  const writer = new VarintWriter((positions.length + 6) * 8)
  writer.write(version)
  writer.write(token.incarnation)
  writer.write(positions.length)
  writer.write(min)
  for (const pos of positions) writer.write(pos - min)
  writer.write(token.toDevice)
  writer.write(token.activation)
  return prefix + writer.text()
}

/** Reads a token strictly: only what `formatSyncToken` writes is one. A version that this program does not know is told apart. */
export function readSyncToken(text: string): ReadToken {
  const bytes = bytesOf(text)
  if (bytes === undefined) return { kind: 'malformed' }
  const reader = new VarintReader(bytes)
  const found = reader.read()
  if (found === undefined) return { kind: 'malformed' }
  if (found !== version) return { kind: 'unknown-version' }
  const token = readFields(reader)
  if (token === undefined || !reader.atEnd || formatSyncToken(token) !== text) return { kind: 'malformed' }
  return { kind: 'token', token }
}

/** The token in a text, or undefined when it is none of this version. */
export function parseSyncToken(text: string): SyncToken | undefined {
  const read = readSyncToken(text)
  return read.kind === 'token' ? read.token : undefined
}

function bytesOf(text: string): Buffer | undefined {
  if (!text.startsWith(prefix) || text.length > maxTextLength) return undefined
  const encoded = text.slice(prefix.length)
  return /^[A-Za-z0-9_-]+$/.test(encoded) ? Buffer.from(encoded, 'base64url') : undefined
}

function readFields(reader: VarintReader): SyncToken | undefined {
  const incarnation = reader.read()
  const shards = reader.read()
  const min = reader.read()
  if (incarnation === undefined || shards === undefined || min === undefined || shards > maxShards)
    return undefined
  const positions: number[] = []
  for (let shard = 0; shard < shards; shard++) {
    const above = reader.read()
    if (above === undefined || !Number.isSafeInteger(min + above)) return undefined
    positions.push(min + above)
  }
  const toDevice = reader.read()
  const activation = reader.read()
  if (toDevice === undefined || activation === undefined) return undefined
  return { incarnation, positions, toDevice, activation }
}

/** Seven bits a byte, the lowest first; the eighth says that more follow. */
class VarintWriter {
  readonly #bytes: Buffer
  #length = 0

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafe(capacity)
  }

  write(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} cannot be in a token`)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
  }

  text(): string {
    return this.#bytes.toString('base64url', 0, this.#length)
  }
}

class VarintReader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length
  }

  /** The next number, or undefined where none that is safe follows. */
  read(): number | undefined {
    let value = 0
    for (let scale = 1; scale <= 2 ** 49; scale *= 0x80) {
      const byte = this.#bytes[this.#offset++]
      if (byte === undefined) return undefined
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return Number.isSafeInteger(value) ? value : undefined
    }
    return undefined
  }
}
