/**
 * What one NATS message carries: a whole message, or one part of a message that is larger than the server's `max_payload`.
 *
 *   u8 version · u8 kind · u16 sequence · u32 total · u32 timeout · u32 sender · u32 stream · chunk
 *
 * `sequence` counts the parts from 0. `total` is the length of all chunks together: it says from the first part on how much
 * is coming, and it is how the end is known. `timeout`: milliseconds that the caller of a request still waits, else 0.
 * `sender` and `stream` keep the parts of two senders, or of two messages of one, apart. Numbers are big-endian.
 */

import { CodecError } from './codec.ts'

export const frameHeaderBytes = 20

const version = 1

/** Kinds of frame by their number on the wire. Numbers are never used again for something else. */
export const frameKind = {
  /** A request, or a part of one; carries the reply subject. */
  request: 1,
  /** A reply, or a part of one. */
  reply: 2,
  /** Instead of a reply: why there is none, in a few words of ASCII. */
  failure: 3,
  /** A publication, or a part of one. */
  publication: 4,
  /** The caller of a request gave up; carries the reply subject of the request. */
  cancel: 5,
} as const

export type FrameKind = (typeof frameKind)[keyof typeof frameKind]

export interface FrameHead {
  readonly kind: FrameKind
  readonly timeoutMs: number
  readonly sender: number
  readonly stream: number
}

export interface Frame extends FrameHead {
  readonly sequence: number
  readonly total: number
  readonly chunk: Uint8Array
}

/**
 * Cuts a message into frames of at most `maxFrameBytes`. `bytes` begins with `frameHeaderBytes` bytes of room, in which the
 * header of a message that fits is written. Undefined when more than 65,536 parts would be needed.
 */
export function toFrames(head: FrameHead, bytes: Buffer, maxFrameBytes: number): Buffer[] | undefined {
  const total = bytes.length - frameHeaderBytes
  if (bytes.length <= maxFrameBytes) {
    writeHeader(bytes, head, 0, total)
    return [bytes]
  }
  const chunkBytes = maxFrameBytes - frameHeaderBytes
  const count = Math.ceil(total / chunkBytes)
  if (chunkBytes < 1 || count > 0x1_0000) return undefined
  return Array.from({ length: count }, (_, sequence) => {
    const from = frameHeaderBytes + sequence * chunkBytes
    const chunk = bytes.subarray(from, from + chunkBytes)
    const frame = Buffer.allocUnsafe(frameHeaderBytes + chunk.length)
    writeHeader(frame, head, sequence, total)
    frame.set(chunk, frameHeaderBytes)
    return frame
  })
}

/** A frame that carries nothing but a few words of ASCII. */
export function singleFrame(head: FrameHead, text = ''): Buffer {
  const bytes = Buffer.alloc(frameHeaderBytes + text.length)
  bytes.write(text, frameHeaderBytes, 'latin1')
  writeHeader(bytes, head, 0, text.length)
  return bytes
}

function writeHeader(frame: Buffer, head: FrameHead, sequence: number, total: number): void {
  frame[0] = version
  frame[1] = head.kind
  frame.writeUInt16BE(sequence, 2)
  frame.writeUInt32BE(total, 4)
  frame.writeUInt32BE(Math.min(0xffff_ffff, Math.ceil(head.timeoutMs)), 8)
  frame.writeUInt32BE(head.sender, 12)
  frame.writeUInt32BE(head.stream, 16)
}

/** Reads a frame; its chunk is a view of `bytes`. Throws `CodecError`. */
export function readFrame(bytes: Uint8Array): Frame {
  if (bytes.length < frameHeaderBytes) throw new CodecError('a frame is longer than this')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint8(0) !== version) throw new CodecError(`unknown version ${view.getUint8(0)}`)
  const sequence = view.getUint16(2)
  const total = view.getUint32(4)
  const chunk = bytes.subarray(frameHeaderBytes)
  if (chunk.length > total || (chunk.length === 0 && (total > 0 || sequence > 0))) {
    throw new CodecError('the frame contradicts its length')
  }
  return {
    kind: readKind(view.getUint8(1)),
    sequence,
    total,
    timeoutMs: view.getUint32(8),
    sender: view.getUint32(12),
    stream: view.getUint32(16),
    chunk,
  }
}

function readKind(value: number): FrameKind {
  if (value < frameKind.request || value > frameKind.cancel)
    throw new CodecError(`unknown kind of frame ${value}`)
  // The numbers are contiguous, so the range check above proves it.
  return value as FrameKind
}
