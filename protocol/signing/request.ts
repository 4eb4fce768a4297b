// Signing of the requests between servers, and the Authorization header that bears the signature. Server-server API
// v1.19, "Request Authentication".

import type { KeyObject } from 'node:crypto'
import { isSigningKeyId, type SigningKeyId } from '../ids/key-id.ts'
import { isServerName, type ServerName } from '../ids/server-name.ts'
import { canonicalJson } from '../json/canonical.ts'
import { JsonError, type JsonObject, type JsonValue } from '../json/types.ts'
import type { SigningKey } from './keys.ts'
import { signatureOf } from './sign.ts'
import { isSignedBy } from './verify.ts'

/** A request between servers, as it is signed. */
export interface SignedRequest {
  /** In capital letters, such as `PUT`. */
  readonly method: string
  /** The path from `/_matrix/` on with the query, exactly as on the request line. */
  readonly uri: string
  readonly origin: ServerName
  readonly destination: ServerName
  /** The body, parsed; absent if there is none. */
  readonly content?: JsonValue | undefined
}

/** What an Authorization header of the scheme X-Matrix says. */
export interface RequestAuthorization {
  readonly origin: ServerName
  /** Absent in requests of old servers. */
  readonly destination?: ServerName
  readonly keyId: SigningKeyId
  /** The signature in base64, not checked. */
  readonly signature: string
}

/** Whether a request is from whom it says; if not, why. */
export type RequestVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly why: 'bad_signature' | 'other_destination' | 'other_origin' }

const scheme = /^x-matrix +/i
/** Beside the characters of a token, a colon, "for compatibility with older servers"; base64 too has characters that tokens do not. */
const parameter = /[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^",\s]*))[ \t]*(?:,|$)/y
const maxHeaderLength = 4_096

/**
 * The value of the Authorization header of a request that this server sends. Throws JsonError if the content has no
 * canonical form.
 */
export function signRequest(request: SignedRequest, key: SigningKey): string {
  const { origin, destination } = request
  const { signature } = signatureOf(textOf(request), origin, key)
  return `X-Matrix origin="${origin}",destination="${destination}",key="${key.id}",sig="${signature}"`
}

/**
 * What an Authorization header says, or undefined if it is not of the scheme X-Matrix, not well-formed, lacks something or
 * says the same thing twice. "The names are case insensitive and order does not matter." "Unknown parameters are ignored."
 */
export function parseAuthorization(header: string): RequestAuthorization | undefined {
  const start = header.length > maxHeaderLength ? undefined : scheme.exec(header)?.[0].length
  const parameters = start === undefined ? undefined : parseParameters(header, start)
  if (parameters === undefined) return undefined
  const origin = parameters.get('origin')
  const destination = parameters.get('destination')
  const keyId = parameters.get('key')
  // The text of the specification names it `signature`, its example and all servers `sig`.
  const signature = parameters.get('sig') ?? parameters.get('signature')
  if (origin === undefined || keyId === undefined || signature === undefined) return undefined
  if (!isServerName(origin) || !isSigningKeyId(keyId)) return undefined
  if (destination === undefined) return { origin, keyId, signature }
  return isServerName(destination) ? { origin, destination, keyId, signature } : undefined
}

function parseParameters(header: string, start: number): Map<string, string> | undefined {
  const found = new Map<string, string>()
  let at = start
  while (at < header.length) {
    parameter.lastIndex = at
    const match = parameter.exec(header)
    if (match === null) return undefined
    const [whole, name = '', quoted, plain = ''] = match
    const key = name.toLowerCase()
    if (found.has(key)) return undefined
    // "a backslash-character pair is replaced by the character that follows the backslash"
    found.set(key, quoted === undefined ? plain : quoted.replaceAll(/\\(.)/g, '$1'))
    at += whole.length
  }
  return found
}

/**
 * Checks a received request by the key that its header names. `request.destination` is this server, `request.origin` is
 * what the header says.
 */
export function verifyRequest(
  request: SignedRequest,
  authorization: RequestAuthorization,
  key: KeyObject,
): RequestVerdict {
  const { origin, destination, signature } = authorization
  if (origin !== request.origin) return { ok: false, why: 'other_origin' }
  // "If this property is included, but the value does not match the receiving server's name, the receiving server must deny"
  if (destination !== undefined && destination !== request.destination)
    return { ok: false, why: 'other_destination' }
  const text = tryTextOf(request)
  const isGood = text !== undefined && isSignedBy(text, signature, key)
  return isGood ? { ok: true } : { ok: false, why: 'bad_signature' }
}

function tryTextOf(request: SignedRequest): string | undefined {
  try {
    return textOf(request)
  } catch (error) {
    if (error instanceof JsonError) return undefined
    throw error
  }
}

/** "Step 1 sign JSON": numbers as they came, for a request can hold events of rooms whose rules for numbers are lax. */
function textOf({ method, uri, origin, destination, content }: SignedRequest): string {
  const request: JsonObject = {
    method,
    uri,
    origin,
    destination,
    ...(content === undefined ? {} : { content }),
  }
  return canonicalJson(request, 'lax')
}
