/**
 * A message as bytes: its head as JSON, its body as it is.
 *
 *   u8 kind of body (0 none, 1 text, 2 bytes) · u32 length of head · head · body
 *
 * The body is neither escaped nor parsed on the way. Numbers are big-endian. Decoding is strict: what another program or
 * another version sent either is a message or throws `CodecError`.
 */

import { parseJson } from '#protocol/json/parse.ts'
import type { JsonValue } from '#protocol/json/types.ts'
import type { BusMessage } from './bus.ts'

/** The bytes are no message of ours. */
export class CodecError extends Error {
  override readonly name = 'CodecError'
}

const prefixBytes = 5
const bodyKind = { none: 0, text: 1, bytes: 2 } as const

// `ignoreBOM` keeps a leading U+FEFF, which is part of a text like any other character.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Encodes a message behind `reserve` bytes that are left for a frame header. Lone surrogates in a text body become U+FFFD.
 * Throws `TypeError` for a head that JSON cannot express.
 */
export function encodeMessage(message: BusMessage, reserve = 0): Buffer {
  const head: unknown = JSON.stringify(message.head)
  if (typeof head !== 'string') throw new TypeError('the head of a bus message must be JSON')
  const { body } = message
  const headBytes = Buffer.byteLength(head)
  const bodyBytes =
    body === undefined ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
  const bodyAt = reserve + prefixBytes + headBytes
  const bytes = Buffer.allocUnsafe(bodyAt + bodyBytes)
  bytes.writeUInt32BE(headBytes, reserve + 1)
  bytes.write(head, reserve + prefixBytes)
  if (body === undefined) bytes[reserve] = bodyKind.none
  else if (typeof body === 'string') {
    bytes[reserve] = bodyKind.text
    bytes.write(body, bodyAt)
  } else {
    bytes[reserve] = bodyKind.bytes
    bytes.set(body, bodyAt)
  }
  return bytes
}

/** Decodes a message. A body of bytes is a view of `bytes`. Throws `CodecError`. */
export function decodeMessage(bytes: Uint8Array): BusMessage {
  if (bytes.length < prefixBytes) throw new CodecError('a message is longer than this')
  const headBytes = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(1)
  const bodyAt = prefixBytes + headBytes
  if (bodyAt > bytes.length) throw new CodecError('the head is cut off')
  const head = parseHead(decodeText(bytes.subarray(prefixBytes, bodyAt)))
  const body = bytes.subarray(bodyAt)
  switch (bytes[0]) {
    case bodyKind.none:
      if (body.length > 0) throw new CodecError('bytes follow the end of the message')
      return { head }
    case bodyKind.text:
      return { head, body: decodeText(body) }
    case bodyKind.bytes:
      return { head, body }
    default:
      throw new CodecError(`unknown kind of body ${bytes[0]}`)
  }
}

function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (error) {
    throw new CodecError('a text is not UTF-8', { cause: error })
  }
}

function parseHead(text: string): JsonValue {
  try {
    return parseJson(text)
  } catch (error) {
    throw new CodecError('the head is not JSON', { cause: error })
  }
}
