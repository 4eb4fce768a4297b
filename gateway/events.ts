/**
 * What the gateway tells about itself. Facts are published once, here; logs, metrics and tests subscribe (`ops/`).
 * Nothing in them is a secret or what somebody wrote.
 */

import { channel } from 'node:diagnostics_channel'

/** A request has been answered, or its client has gone. */
export interface RequestDone {
  readonly method: string
  /** The endpoint's path as its file names it, or `unknown`: one of a limited set. */
  readonly route: string
  /** 499 where the client had gone before the answer. */
  readonly status: number
  readonly durationMs: number
  readonly traceId: string
  readonly userId: string | undefined
}

/** Something went wrong that is not the client's doing. */
export interface Fault {
  /** What was being done, in a few words of a limited set. */
  readonly where: string
  readonly traceId: string | undefined
  readonly error: unknown
}

/** Carries {@link RequestDone}. */
export const requestDone = channel('troupe:request')

/** Carries {@link Fault}. */
export const fault = channel('troupe:fault')

/** Reports a fault to whoever listens. */
export function reportFault(report: Fault): void {
  fault.publish(report)
}
