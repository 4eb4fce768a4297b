/**
 * Bytes of media on the local disk, each under the hash of its content: `<folder>/ab/cd/<sha256 in hex>`. A path is made from
 * a hash that this program has computed, never from what somebody sent. What is there under its name is whole: it was written beside,
 * synced and renamed.
 */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

/** A blob that has been stored. */
export interface StoredBlob {
  /** Base64. */
  readonly sha256: string
  /** Bytes. */
  readonly size: number
}

/** More bytes came than may be stored; nothing was kept. */
export class BlobTooLarge extends Error {
  override readonly name = 'BlobTooLarge'
}

export interface BlobLimits {
  readonly maxBytes: number
  /** Distinguishes files that are being written: unpredictable, `A-Z`, `a-z`, `0-9`, `_`, `-`. */
  readonly temporaryName: string
}

/** Stores what a stream gives. Throws `BlobTooLarge`, and what the stream or the disk throws; nothing is left behind then. */
export async function writeBlob(folder: string, source: Readable, limits: BlobLimits): Promise<StoredBlob> {
  const temporaries = join(folder, 'incoming')
  await mkdir(temporaries, { recursive: true, mode: 0o700 })
  if (!/^[A-Za-z0-9_-]+$/.test(limits.temporaryName)) throw new Error('not a name for a file')
  const temporary = join(temporaries, limits.temporaryName)
  try {
    const { digest, size } = await writeSynced(temporary, source, limits.maxBytes)
    const target = pathOf(folder, digest)
    await mkdir(target.directory, { recursive: true, mode: 0o700 })
    await rename(temporary, target.file)
    await syncDirectory(target.directory)
    return { sha256: digest.toString('base64'), size }
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** The bytes of a blob. `sha256` in base64. The stream fails with ENOENT where there is none. */
export function readBlob(folder: string, sha256: string): Readable {
  return createReadStream(pathOf(folder, Buffer.from(sha256, 'base64')).file)
}

async function writeSynced(
  file: string,
  source: Readable,
  maxBytes: number,
): Promise<{ digest: Buffer; size: number }> {
  const handle = await open(file, 'wx', 0o600)
  try {
    const hash = createHash('sha256')
    let size = 0
    // A request that is not read to its end lives on, for whoever sends it is to get an answer.
    for await (const chunk of source.iterator({ destroyOnReturn: false })) {
      // The cast is sound: a request gives bytes unless an encoding is set.
      const bytes = chunk as Buffer
      size += bytes.length
      if (size > maxBytes) throw new BlobTooLarge(`more than ${maxBytes} bytes`)
      hash.update(bytes)
      await writeAll(handle, bytes)
    }
    await handle.sync()
    return { digest: hash.digest(), size }
  } finally {
    await handle.close()
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let offset = 0; offset < bytes.length;) {
    offset += (await handle.write(bytes, offset)).bytesWritten
  }
}

/** Makes the name in a directory durable. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function pathOf(folder: string, digest: Buffer): { directory: string; file: string } {
  if (digest.length !== 32) throw new Error('not a SHA-256')
  const name = digest.toString('hex')
  const directory = join(folder, name.slice(0, 2), name.slice(2, 4))
  return { directory, file: join(directory, name) }
}
