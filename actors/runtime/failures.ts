/** Why a decision did not become durable. Each of these ends the activation that made it. */

/** The shard has another owner or epoch, or this host's lease is over. Whoever asked may ask the present owner. */
export class Fenced extends Error {
  override readonly name = 'Fenced'

  constructor(shard: number, epoch: number, why: string) {
    super(`shard ${shard} is not ours under epoch ${epoch} any more: ${why}`)
  }
}

/** An idempotency key of the decision is in the log already: the request was carried out before. Reload, and it is found. */
export class SeenTransaction extends Error {
  override readonly name = 'SeenTransaction'
  /** As they were given in `LogRow.txnKey`. */
  readonly txnKeys: readonly string[]

  constructor(txnKeys: readonly string[]) {
    super('a transaction with this key has been committed before')
    this.txnKeys = txnKeys
  }
}

/** The database refuses this very decision for its content or size. */
export class ContentRefused extends Error {
  override readonly name = 'ContentRefused'

  constructor(cause: unknown) {
    super('the database refused the content of this decision', { cause })
  }
}

/** The decision rested on another one that failed, or the activation had ended when it was made. */
export class Discarded extends Error {
  override readonly name = 'Discarded'
}

export type CommitFailed = Fenced | SeenTransaction | ContentRefused | Discarded
