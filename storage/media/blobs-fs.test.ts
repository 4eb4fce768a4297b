import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { BlobTooLarge, readBlob, writeBlob } from './blobs-fs.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'troupe-blobs-'))
})

after(() => rm(folder, { recursive: true, force: true }))

const limits = { maxBytes: 1000, temporaryName: 'upload' }

test('a blob is read as it was written, and lies under its hash', async () => {
  const chunks = [Buffer.from('some '), Buffer.from('bytes')]
  const stored = await writeBlob(folder, Readable.from(chunks), limits)
  const digest = createHash('sha256').update(Buffer.concat(chunks)).digest()
  assert.deepEqual(stored, { sha256: digest.toString('base64'), size: 10 })
  assert.equal((await buffer(readBlob(folder, stored.sha256))).toString(), 'some bytes')
  const hex = digest.toString('hex')
  assert.deepEqual(await readdir(join(folder, hex.slice(0, 2), hex.slice(2, 4))), [hex])
})

test('the same bytes again are the same blob', async () => {
  const first = await writeBlob(folder, Readable.from([Buffer.from('twice')]), limits)
  const second = await writeBlob(folder, Readable.from([Buffer.from('twice')]), limits)
  assert.deepEqual(second, first)
})

test('too many bytes, and a stream that breaks, leave nothing behind', async () => {
  const large = Readable.from(Array.from({ length: 40 }, () => Buffer.alloc(600)))
  await assert.rejects(writeBlob(folder, large, limits), BlobTooLarge)
  assert.equal(large.destroyed, false, 'who sends it can still be answered')
  const broken = new Readable({
    read() {
      this.destroy(new Error('gone'))
    },
  })
  await assert.rejects(writeBlob(folder, broken, limits), /gone/)
  assert.deepEqual(await readdir(join(folder, 'incoming')), [])
})

test('a name that could leave the folder is refused', async () => {
  const outside = { maxBytes: 10, temporaryName: '../x' }
  await assert.rejects(writeBlob(folder, Readable.from([]), outside), /not a name/)
  assert.throws(() => readBlob(folder, '../x'), /not a SHA-256/)
})
