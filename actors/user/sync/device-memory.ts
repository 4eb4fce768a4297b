/**
 * What one device has been told lately, beside its token: which members of which rooms, so that they need not be sent again. A device
 * confirms what it was told by using the token that came with it; what it may never have received is forgotten again.
 */

interface Sent {
  /** Number of the member event. */
  readonly nid: number
  /** The response that carried it. */
  readonly response: number
}

const maxSent = 20_000
const maxTokens = 8

export class DeviceMemory {
  /** Key counts as told last, JSON text; undefined: never yet. */
  counts: string | undefined
  readonly #sent = new Map<string, Sent>()
  #tokens: { readonly token: string; readonly response: number }[] = []
  #responses = 0

  /** The device shows the token that it has; undefined: it begins anew. */
  confirm(token: string | undefined): void {
    const last = this.#tokens.at(-1)
    if (token === undefined) return this.#sent.clear()
    if (token === last?.token) return
    const confirmed = this.#tokens.find((known) => known.token === token)
    if (confirmed === undefined) return this.#sent.clear()
    for (const [key, sent] of this.#sent) {
      if (sent.response > confirmed.response) this.#sent.delete(key)
    }
  }

  hasMember(roomId: string, userId: string, nid: number): boolean {
    return this.#sent.get(keyOf(roomId, userId))?.nid === nid
  }

  /** Whether some member event of this user has been sent; that it is the present one the caller must know otherwise. */
  knowsMember(roomId: string, userId: string): boolean {
    return this.#sent.has(keyOf(roomId, userId))
  }

  /** The member event goes into the response that is being made. */
  addMember(roomId: string, userId: string, nid: number): void {
    if (this.#sent.size >= maxSent) this.#sent.clear()
    this.#sent.set(keyOf(roomId, userId), { nid, response: this.#responses + 1 })
  }

  /** The response is complete and goes out with this token. */
  close(token: string): void {
    this.#responses++
    this.#tokens.push({ token, response: this.#responses })
    if (this.#tokens.length > maxTokens) this.#tokens = this.#tokens.slice(1)
  }
}

function keyOf(roomId: string, userId: string): string {
  return `${roomId} ${userId}`
}
