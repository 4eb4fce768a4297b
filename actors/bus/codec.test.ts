import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Assembler } from './assembler.ts'
import { CodecError, decodeMessage, encodeMessage } from './codec.ts'
import { type Frame, type FrameHead, frameHeaderBytes, frameKind, readFrame, toFrames } from './frame.ts'
import type { Clock } from '../runtime/clock.ts'

const head: FrameHead = { kind: frameKind.reply, timeoutMs: 1_500, sender: 0xffff_ffff, stream: 9 }
const limits = { maxMessageBytes: 1_000, maxPartialBytes: 1_500, maxPartials: 2 }

describe('codec', () => {
  it('decodes what it encoded', () => {
    const messages = [
      { head: null },
      { head: { a: [1, 'ü', '\ud800'] }, body: '' },
      { head: 'x', body: '\ufeff"\n\u{10ffff}\0' },
    ]
    for (const message of messages) assert.deepEqual(decodeMessage(encodeMessage(message)), message)
    const { body } = decodeMessage(encodeMessage({ head: 0, body: Uint8Array.of(0, 200) }))
    assert.deepEqual(body && [...Buffer.from(body)], [0, 200])
  })

  it('writes the body as it is, behind the head', () => {
    assert.equal(
      encodeMessage({ head: { a: 1 }, body: '"\\' }).toString('latin1'),
      '\u0001\0\0\0\u0007{"a":1}"\\',
    )
  })

  it('refuses foreign bytes', () => {
    const foreign = [
      Buffer.alloc(0),
      Buffer.from('{"head":1}'),
      Buffer.from([0, 0, 0, 0]),
      Buffer.from([0, 0, 0, 0, 5, 0x31]),
      Buffer.from([0, 0, 0, 0, 1, 0x31, 0x31]),
      Buffer.from([3, 0, 0, 0, 1, 0x31]),
      Buffer.from([0, 0, 0, 0, 1, 0x7b]),
      Buffer.from([0, 0, 0, 0, 0]),
      Buffer.from([1, 0, 0, 0, 1, 0x31, 0xff]),
      Buffer.from([0, 0, 0, 0, 3, 0x22, 0xff, 0x22]),
    ]
    for (const bytes of foreign) assert.throws(() => decodeMessage(bytes), CodecError, bytes.toString('hex'))
  })

  it('refuses a head that is no JSON', () => {
    // A caller without types could do this; on the wire it would be a head that nobody can read.
    assert.throws(() => encodeMessage({ head: undefined as unknown as null }), TypeError)
  })
})

describe('frame', () => {
  it('is one for what fits, with every field', () => {
    const [frame, ...more] = frames(10, 100)
    assert.equal(more.length, 0)
    assert.deepEqual({ ...frame, chunk: frame?.chunk.length }, { ...head, sequence: 0, total: 10, chunk: 10 })
  })

  it('is many for what does not, none larger than allowed', () => {
    const parts = frames(95, 30)
    assert.deepEqual(
      parts.map((part) => [part.sequence, part.chunk.length]),
      [...Array.from({ length: 9 }, (_, index) => [index, 10]), [9, 5]],
    )
    assert.ok(parts.every((part) => part.total === 95))
  })

  it('is not made of more parts than can be numbered', () => {
    const bytes = Buffer.alloc(frameHeaderBytes + 65_537)
    assert.equal(toFrames(head, bytes, frameHeaderBytes + 1), undefined)
    assert.equal(toFrames(head, bytes.subarray(1), frameHeaderBytes + 1)?.length, 65_536)
    assert.equal(toFrames(head, bytes, frameHeaderBytes), undefined)
  })

  it('refuses foreign bytes', () => {
    const valid = toFrames(head, Buffer.alloc(frameHeaderBytes + 1), 100)?.[0]
    assert.ok(valid)
    const changed = (at: number, value: number): Buffer => {
      const bytes = Buffer.from(valid)
      bytes[at] = value
      return bytes
    }
    const foreign = [valid.subarray(0, 19), changed(0, 2), changed(1, 0), changed(1, 6), changed(7, 0)]
    for (const bytes of foreign) assert.throws(() => readFrame(bytes), CodecError, bytes.toString('hex'))
    assert.throws(() => readFrame(valid.subarray(0, 20)), CodecError)
  })
})

describe('assembler', () => {
  it('puts the parts of several messages together, whatever comes between', () => {
    const { assembler } = fresh()
    const [a1, a2, a3] = frames(25, 30)
    assert.ok(a1 && a2 && a3)
    assert.equal(assembler.accept('a', a1, 100).state, 'partial')
    assert.equal(assembler.accept('b', a1, 100).state, 'partial')
    assert.equal(assembler.accept('a', a2, 100).state, 'partial')
    const whole = assembler.accept('a', a3, 100)
    assert.ok(whole.state === 'whole')
    assert.deepEqual([...whole.bytes], [...pattern(25)])
    assert.equal(assembler.partials, 1)
  })

  it('gives a message up when a part is missing, and says so once', () => {
    const { assembler } = fresh()
    const [a1, , a3, a4] = frames(40, 30)
    assert.ok(a1 && a3 && a4)
    assembler.accept('a', a1, 100)
    assert.deepEqual(assembler.accept('a', a3, 100), { state: 'broken', reason: 'incomplete' })
    assert.deepEqual(assembler.accept('a', a4, 100), { state: 'stray' })
    assert.equal(assembler.partials, 0)
  })

  it('holds no more than its limits, and forgets what does not become whole', () => {
    const { assembler, fire } = fresh()
    const [tooLarge] = frames(1_001, 100)
    const [first, second] = frames(1_000, 800)
    assert.ok(tooLarge && first && second)
    assert.deepEqual(assembler.accept('x', tooLarge, 100), { state: 'broken', reason: 'oversized' })
    assert.equal(assembler.accept('a', first, 100).state, 'partial')
    assert.deepEqual(assembler.accept('b', first, 100), { state: 'broken', reason: 'overloaded' })
    fire()
    assert.equal(assembler.partials, 0)
    assert.equal(assembler.accept('b', first, 100).state, 'partial')
    assert.equal(assembler.accept('b', second, 100).state, 'whole')
  })

  it('holds no more messages than its limit', () => {
    const { assembler } = fresh()
    const [first] = frames(25, 30)
    assert.ok(first)
    assembler.accept('a', first, 100)
    assembler.accept('b', first, 100)
    assert.deepEqual(assembler.accept('c', first, 100), { state: 'broken', reason: 'overloaded' })
    assembler.clear()
    assert.equal(assembler.accept('c', first, 100).state, 'partial')
  })
})

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index % 251)
}

function frames(length: number, maxFrameBytes: number): Frame[] {
  const bytes = Buffer.concat([Buffer.alloc(frameHeaderBytes), pattern(length)])
  return (toFrames(head, bytes, maxFrameBytes) ?? []).map(readFrame)
}

/** An assembler whose timers run when the test says so. */
function fresh(): { assembler: Assembler; fire: () => void } {
  const timers = new Set<() => void>()
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    after(_delayMs, run) {
      timers.add(run)
      return { cancel: () => timers.delete(run) }
    },
  }
  return { assembler: new Assembler(clock, limits), fire: () => timers.forEach((run) => run()) }
}
