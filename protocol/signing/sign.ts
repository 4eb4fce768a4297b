// Signing. Events are signed only as buildEvent made them from fields: a JSON that another server wrote never reaches the
// key. signJson is for documents that this server composes itself, such as its published keys.

import { sign } from 'node:crypto'
import type { SigningKeyId } from '../ids/key-id.ts'
import type { ServerName } from '../ids/server-name.ts'
import { serverOf } from '../ids/user-id.ts'
import { canonicalJson } from '../json/canonical.ts'
import { objectField, type JsonObject } from '../json/types.ts'
import type { BuiltEvent } from '../events/build.ts'
import type { Pdu } from '../events/pdu.ts'
import { encodeBase64 } from './base64.ts'
import type { SigningKey } from './keys.ts'

/** A signature with who made it, as it is stored and as it is put into `signatures`. */
export interface Signature {
  readonly server: ServerName
  readonly keyId: SigningKeyId
  /** The Ed25519 signature in unpadded base64, 86 characters. */
  readonly signature: string
}

/**
 * The signature of the sender's server on an event that this server built. Its text is the event's reference text.
 * Server-server API v1.19, "Adding hashes and signatures to outgoing events".
 */
export function signEvent(event: BuiltEvent, key: SigningKey): Signature {
  return { server: serverOf(event.pdu.sender), keyId: key.id, signature: signText(event.reference, key) }
}

/**
 * The object with this server's signature added; other signatures and `unsigned` are kept and not covered.
 * Appendices v1.19, "Signing Details". Throws JsonError if the object has no canonical form.
 */
export function signJson(object: JsonObject, server: ServerName, key: SigningKey): JsonObject {
  const { signatures: _signatures, unsigned: _unsigned, ...signed } = object
  const signature = signText(canonicalJson(signed), key)
  return {
    ...object,
    signatures: addSignature(objectField(object, 'signatures'), { server, keyId: key.id, signature }),
  }
}

/** A server's signature on a text that it has composed itself, such as the canonical form of a request. */
export function signatureOf(text: string, server: ServerName, key: SigningKey): Signature {
  return { server, keyId: key.id, signature: signText(text, key) }
}

/** The event with these signatures in addition to those that it has. */
export function withSignatures(pdu: Pdu, signatures: readonly Signature[]): Pdu {
  return { ...pdu, signatures: signatures.reduce<JsonObject>(addSignature, pdu.signatures ?? {}) }
}

function addSignature(
  signatures: JsonObject | undefined,
  { server, keyId, signature }: Signature,
): JsonObject {
  // A server name cannot be `__proto__`, for `_` is no character of one.
  return { ...signatures, [server]: { ...objectField(signatures ?? {}, server), [keyId]: signature } }
}

function signText(text: string, key: SigningKey): string {
  return encodeBase64(sign(null, Buffer.from(text, 'utf8'), key.privateKey))
}
