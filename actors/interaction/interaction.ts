/**
 * A dialogue of user-interactive authentication: which operation it is for, what was offered and what has been done.
 * It lives in memory only. An hour after its last step it is gone, and an unknown one is no error of anybody: the gateway opens one that it
 * has made itself again, or begins anew.
 *
 *   (unknown) ─ open ─► open ─ complete ─► … ─► done ─ close ─► used up
 */

import { MatrixError } from '#protocol/errors.ts'
import type { Actor, ActorDefinition, RequestOf } from '../runtime/contract.ts'
import type { InteractionMessages } from './messages.ts'

/** Milliseconds of a dialogue without a step, after which it is forgotten. */
export const dialogueMs = 60 * 60_000

/** A dialogue is one person's: whoever sends more at once is refused. */
const mailboxLimit = 20

interface Dialogue {
  readonly operation: string
  readonly flows: readonly (readonly string[])[]
  readonly completed: Set<string>
  /** Monotonic milliseconds. */
  lastStepMs: number
}

/** The kind of actor that composition gives to the host. */
export function interactionActor(): ActorDefinition<InteractionMessages> {
  return {
    kind: 'interaction',
    interleaved: new Set(),
    mailboxLimit,
    idleMs: dialogueMs,
    load: async ({ clock }) => new InteractionActor(() => clock.monotonic()),
  }
}

class InteractionActor implements Actor<InteractionMessages> {
  readonly #now: () => number
  #dialogue: Dialogue | undefined = undefined
  #isUsedUp = false

  constructor(now: () => number) {
    this.#now = now
  }

  handle(request: RequestOf<InteractionMessages>): unknown {
    switch (request.kind) {
      case 'open':
        return this.#open(request.body)
      case 'complete':
        return this.#complete(request.body)
      case 'close':
        return this.#close(request.body)
    }
  }

  /** Always: when memory is short, dialogues go first. */
  get mayPassivate(): boolean {
    return true
  }

  #open({ operation, flows }: InteractionMessages['open']['request']): InteractionMessages['open']['reply'] {
    const present = this.#present()
    if (present !== undefined) {
      checkOperation(present, operation)
      return { completed: [...present.completed] }
    }
    this.#refuseUsedUp()
    this.#dialogue = { operation, flows, completed: new Set(), lastStepMs: this.#now() }
    return { completed: [] }
  }

  #complete({
    operation,
    stage,
  }: InteractionMessages['complete']['request']): InteractionMessages['complete']['reply'] {
    const dialogue = this.#known(operation)
    if (!dialogue.flows.some((flow) => flow.includes(stage))) {
      throw new MatrixError('M_FORBIDDEN', 'This stage was not offered.')
    }
    dialogue.completed.add(stage)
    dialogue.lastStepMs = this.#now()
    return { completed: [...dialogue.completed], done: isDone(dialogue) }
  }

  #close({ operation }: InteractionMessages['close']['request']): InteractionMessages['close']['reply'] {
    if (!isDone(this.#known(operation))) {
      throw new MatrixError('M_FORBIDDEN', 'No flow has been completed yet.')
    }
    this.#dialogue = undefined
    this.#isUsedUp = true
    return {}
  }

  #present(): Dialogue | undefined {
    const dialogue = this.#dialogue
    if (dialogue === undefined || this.#now() - dialogue.lastStepMs > dialogueMs) return undefined
    return dialogue
  }

  #known(operation: string): Dialogue {
    const dialogue = this.#present()
    if (dialogue === undefined) {
      this.#refuseUsedUp()
      throw new MatrixError('M_UNKNOWN', 'The authentication session is unknown or over.', { status: 400 })
    }
    checkOperation(dialogue, operation)
    return dialogue
  }

  #refuseUsedUp(): void {
    if (this.#isUsedUp)
      throw new MatrixError('M_FORBIDDEN', 'The authentication session has served its request.')
  }
}

function checkOperation(dialogue: Dialogue, operation: string): void {
  if (dialogue.operation === operation) return
  throw new MatrixError('M_FORBIDDEN', 'The authentication session is for another request.')
}

function isDone(dialogue: Dialogue): boolean {
  return dialogue.flows.some((flow) => flow.every((stage) => dialogue.completed.has(stage)))
}
