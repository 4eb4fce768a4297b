// Unpadded base64, as Matrix uses it for keys, hashes and signatures. Appendices v1.19, "Unpadded Base64".

const base64 = /^[A-Za-z0-9+/]*={0,2}$/

/** The bytes in unpadded base64. */
export function encodeBase64(bytes: Uint8Array): string {
  return bytes.toBase64({ omitPadding: true })
}

/** The bytes that a base64 text stands for, padded or not, or undefined if it is no base64. */
export function decodeBase64(text: string): Uint8Array | undefined {
  return base64.test(text) ? Buffer.from(text, 'base64') : undefined
}
