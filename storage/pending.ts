/**
 * A statement as the driver sees it. The driver has no hook for the beginning and the end of one, so the three functions of it that
 * the driver itself calls are wrapped; where it should one day have others, nothing is told and everything else goes on.
 */

export interface Pending {
  handle: () => unknown
  resolve: (result: unknown) => unknown
  reject: (reason: unknown) => unknown
}

/** A statement, or a part of one: which of the two shows only when it is run. */
export function isPending(value: unknown): value is Pending {
  return (
    value instanceof Promise &&
    (['handle', 'resolve', 'reject'] as const).every((name) => typeof Reflect.get(value, name) === 'function')
  )
}

export interface PendingListener {
  /** It is run: called at most once. */
  started(): void
  /** It was answered or failed: called at most once, and only after `started`. */
  settled(): void
}

/** Tells the beginning and the end of a statement. A part of one is never run, and the driver may reject a statement twice. */
export function listenToPending(query: Pending, listener: PendingListener): void {
  const { handle, resolve, reject } = query
  let state: 'new' | 'running' | 'settled' = 'new'
  const settle = (): void => {
    const ran = state === 'running'
    state = 'settled'
    if (ran) listener.settled()
  }
  query.handle = () => {
    if (state === 'new') {
      state = 'running'
      listener.started()
    }
    return handle.call(query)
  }
  query.resolve = (result) => {
    settle()
    return resolve(result)
  }
  query.reject = (reason) => {
    settle()
    return reject(reason)
  }
}
