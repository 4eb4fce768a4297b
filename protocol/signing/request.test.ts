import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { parseServerName } from '../ids/server-name.ts'
import { publicKeyFromBase64, signingKeyFromSeed } from './keys.ts'
import {
  parseAuthorization,
  signRequest,
  verifyRequest,
  type RequestAuthorization,
  type SignedRequest,
} from './request.ts'
import { verifyJson } from './verify.ts'

const origin = parseServerName('origin.hs.example.com')
const destination = parseServerName('[::1]:8448')
const key = signingKeyFromSeed('key_1', createHash('sha256').update('seed').digest())
const publicKey = publicKeyFromBase64(key.publicKey) ?? assert.fail()
const request: SignedRequest = {
  method: 'PUT',
  uri: '/_matrix/federation/v1/send/1?a=%20b',
  origin,
  destination,
  content: { pdus: [{ depth: 1 }], é: null },
}

function parsed(header: string): RequestAuthorization {
  return parseAuthorization(header) ?? assert.fail(header)
}

test('a signed request verifies, with and without a body', () => {
  for (const one of [request, { ...request, content: undefined }]) {
    const authorization = parsed(signRequest(one, key))
    assert.deepEqual(authorization, {
      origin,
      destination,
      keyId: 'ed25519:key_1',
      signature: authorization.signature,
    })
    assert.deepEqual(verifyRequest(one, authorization, publicKey), { ok: true })
  }
})

test('the signature is the one of the JSON object that the specification wraps the request in', () => {
  const { signature } = parsed(signRequest(request, key))
  const { method, uri, content = null } = request
  const wrapped = {
    method,
    uri,
    origin,
    destination,
    content,
    signatures: { [origin]: { [key.id]: signature } },
  }
  assert.deepEqual(
    verifyJson(wrapped, origin, () => publicKey),
    { ok: true },
  )
})

test('whatever is changed in a request makes its signature bad', () => {
  const authorization = parsed(signRequest(request, key))
  const changes: readonly Partial<SignedRequest>[] = [
    { method: 'POST' },
    { uri: `${request.uri}c` },
    { content: { pdus: [] } },
    { content: undefined },
    { content: { n: Number.NaN } },
  ]
  for (const change of changes) {
    assert.deepEqual(verifyRequest({ ...request, ...change }, authorization, publicKey), {
      ok: false,
      why: 'bad_signature',
    })
  }
  const elsewhere = parseServerName('other.org')
  assert.deepEqual(verifyRequest({ ...request, destination: elsewhere }, authorization, publicKey), {
    ok: false,
    why: 'other_destination',
  })
  assert.deepEqual(verifyRequest({ ...request, origin: elsewhere }, authorization, publicKey), {
    ok: false,
    why: 'other_origin',
  })
})

test('a request of an old server, without the destination, is verified as one to this server', () => {
  const header = signRequest(request, key).replace(/destination="[^"]*",/, '')
  const authorization = parsed(header)
  assert.equal(authorization.destination, undefined)
  assert.deepEqual(verifyRequest(request, authorization, publicKey), { ok: true })
  const elsewhere = { ...request, destination: parseServerName('other.org') }
  assert.equal(verifyRequest(elsewhere, authorization, publicKey).ok, false)
})

test('the header is read in all the forms that the specification allows', () => {
  const wanted = { origin: 'a.org', destination: 'b.org:8448', keyId: 'ed25519:1', signature: 'AB+/' }
  for (const header of [
    'X-Matrix origin="a.org",destination="b.org:8448",key="ed25519:1",sig="AB+/"',
    'x-matrix   sig=AB+/ , KEY=ed25519:1\t,Origin=a.org, destination=b.org:8448',
    String.raw`X-Matrix origin="\a.org",destination="b.org:8448",key="ed25519:1",signature="AB+\/",x="\",\\"`,
    'X-Matrix origin=a.org,destination=b.org:8448,key=ed25519:1,sig=AB+/,',
  ]) {
    assert.deepEqual(parseAuthorization(header), wanted, header)
  }
})

test('a header that is none is not read', () => {
  const rest = 'destination="b.org",key="ed25519:1",sig="AB"'
  for (const header of [
    '',
    'X-Matrix',
    'X-Matrix ',
    `Bearer origin="a.org",${rest}`,
    `X-Matrixorigin="a.org",${rest}`,
    `X-Matrix ${rest}`,
    `X-Matrix origin="a.org",origin="a.org",${rest}`,
    `X-Matrix origin="a org",${rest}`,
    `X-Matrix origin="a.org",${rest.replace('b.org', '')}`,
    `X-Matrix origin="a.org",${rest.replace('ed25519:1', 'rsa:1')}`,
    `X-Matrix origin="a.org",destination="b.org",key="ed25519:1"`,
    `X-Matrix origin="a.org,${rest}`,
    `X-Matrix origin="a.org";${rest}`,
    `X-Matrix origin="a.org",${rest},x="${'x'.repeat(5_000)}"`,
  ]) {
    assert.equal(parseAuthorization(header), undefined, header)
  }
})
