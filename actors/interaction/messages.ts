/**
 * A user-interactive authentication session (client-server API, User-Interactive Authentication API), by its session id. It
 * lives in memory only: when its owner dies or its shard moves the gateway opens it again, and stages that were completed are done again.
 */

export type InteractionMessages = {
  /** Opens the session for exactly one operation; repeated, it says the same again. M_FORBIDDEN for one that is used up. */
  open: {
    request: {
      /** Hash of what the session is for: method, path, user, device and the body without `auth`. */
      operation: string
      flows: readonly (readonly string[])[]
    }
    reply: { completed: readonly string[] }
  }
  /**
   * A stage that the gateway has verified. M_UNKNOWN (400) for an unknown session, M_FORBIDDEN for another operation, an unoffered stage
   * or one that is used up.
   */
  complete: {
    request: { operation: string; stage: string }
    reply: { completed: readonly string[]; done: boolean }
  }
  /** Uses the finished session up, so that it serves one request. */
  close: { request: { operation: string }; reply: Record<string, never> }
}
