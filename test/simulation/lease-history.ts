/** What hosts asked of the server for their leases, and over which connections: a lease that has expired stays so, and nothing delays one. */

/** What a connection is used for: leases, the look at which server it leads to, or anything else. */
export type Use = 'lease' | 'look' | 'other'

export class LeaseHistory {
  /** What must not be, in the words of the rule that it breaks. */
  readonly broken: string[] = []
  readonly #refused = new Set<number>()

  /** A host asks for its renewal. Who has been told that his lease is over is another host from then on. */
  asks(hostId: number): void {
    if (this.#refused.has(hostId))
      this.broken.push(`host ${hostId} renews a lease of which it was told that it had expired`)
  }

  /** The server has renewed a lease that would have ended at this time. */
  renewed(hostId: number, expiresAtMs: number, nowMs: number): void {
    if (expiresAtMs <= nowMs)
      this.broken.push(`the lease of host ${hostId} was renewed ${nowMs - expiresAtMs} ms after its end`)
  }

  /** The host has been told that its lease is over. */
  refused(hostId: number): void {
    this.#refused.add(hostId)
  }

  /** A connection has served this, and these before. */
  used(use: Use, before: ReadonlySet<Use>): void {
    const isMixed = use === 'lease' ? before.has('other') : use === 'other' && before.has('lease')
    if (isMixed) this.broken.push('the connection of a lease serves something else as well')
  }
}
