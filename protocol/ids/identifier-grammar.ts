/** The grammars that several kinds of identifiers share. Appendices v1.19, "Common Namespaced Identifier Grammar", "Opaque Identifiers". */

const namespaced = /^[a-z][a-z0-9._-]{0,254}$/
const opaque = /^[A-Za-z0-9._~-]{1,255}$/

/** True for an identifier of at most 255 characters that starts with `a-z` and consists of `a-z`, `0-9`, `-`, `_`, `.`. */
export function isNamespacedIdentifier(text: string): boolean {
  return namespaced.test(text)
}

/** True for an identifier of at most 255 characters `0-9`, `A-Z`, `a-z`, `-`, `.`, `_`, `~`. */
export function isOpaqueIdentifier(text: string): boolean {
  return opaque.test(text)
}
