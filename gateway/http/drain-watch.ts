/**
 * Those who wait for the server to begin to end. A long poll is one of thousands, and a listener on the signal itself would cost each of
 * them time in proportion to the others.
 */

const watches = new WeakMap<AbortSignal, Set<() => void>>()

/** Calls `run` once when the signal is aborted, or at once if it has been. Returns a function that forgets about it. */
export function onDrain(draining: AbortSignal, run: () => void): () => void {
  if (draining.aborted) {
    run()
    return () => {}
  }
  const waiting = watches.get(draining) ?? watch(draining)
  waiting.add(run)
  return () => waiting.delete(run)
}

function watch(draining: AbortSignal): Set<() => void> {
  const waiting = new Set<() => void>()
  watches.set(draining, waiting)
  draining.addEventListener('abort', () => {
    for (const run of waiting) run()
    waiting.clear()
  })
  return waiting
}
