/** The greatest length of a user id, room id, room alias or event id, in bytes of UTF-8, sigil and domain included. */
export const maxIdBytes = 255

/** True if the string is legal Unicode without U+0000 and fits into an identifier's 255 bytes. */
export function isIdText(text: string): boolean {
  if (text.length > maxIdBytes || text.includes('\0') || !text.isWellFormed()) return false
  // A UTF-16 unit takes at most three bytes, so short strings need not be measured.
  return text.length * 3 <= maxIdBytes || Buffer.byteLength(text, 'utf8') <= maxIdBytes
}
