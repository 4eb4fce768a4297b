/**
 * The inboxes of the user's devices. A message is a row of the inbox and one row of the log that wakes the device; it is deleted
 * when the device has shown that it has it.
 */

import { MatrixError } from '#protocol/errors.ts'
import { utf8Bytes } from '#protocol/json/limits.ts'
import { readInboxHeads, readToDevice } from '#storage/e2ee/to-device.ts'
import type { LogRef } from '#storage/writes.ts'
import { nothing, type UserCore, type UserHandlers } from './core.ts'
import type { DeliverToDevice } from './messages.ts'
import type { ToDevicePage } from './own-state.ts'

/** The greatest size of one message's content as JSON, bytes. */
export const maxToDeviceBytes = 65_536

/** How many transactions an activation remembers; an older one is found by the log's index. */
const rememberedTransactions = 1000

/** What is known of a device's inbox without asking Postgres. */
interface Inbox {
  /** No committed message lies after this position, but for those of `coming`. */
  head: number
  /** Messages whose position was not known when they were last looked at, ascending. */
  readonly coming: LogRef[]
  /** Everything up to here has been deleted. */
  deletedUpTo: number
}

export class ToDevice {
  readonly #core: UserCore
  #inboxes: Promise<Map<string, Inbox>> | undefined = undefined
  readonly #transactions = new Set<string>()

  constructor(core: UserCore) {
    this.#core = core
  }

  /** Puts a message into the inboxes of present devices; devices that do not exist are left out. */
  async deliver({ sender, type, txnKey, messages }: DeliverToDevice): Promise<void> {
    this.#core.openAccount()
    if (this.#transactions.has(txnKey) || this.#core.wasSeen(txnKey)) return
    const addressed = this.#addressed(messages)
    if (addressed.size === 0) return
    const inboxes = await this.#load()
    const draft = this.#core.draft()
    const pos = draft.log('toDevice', { devices: [...addressed.keys()] }, { txnKey })
    const texts = new Map<object, string>()
    for (const [deviceId, content] of addressed) {
      const message = texts.getOrInsertComputed(content, () => messageText(sender, type, content))
      draft.put('to_device', { user_id: this.#core.userId, device_id: deviceId, pos, sub: 0, message })
      inboxOf(inboxes, deviceId).coming.push(pos)
    }
    this.#remember(txnKey)
    void this.#core.decide(draft)
  }

  /** A page of committed messages; see `OwnState.toDevice`. */
  async page(deviceId: string, after: number, limit: number): Promise<ToDevicePage> {
    const inbox = inboxOf(await this.#load(), deviceId)
    if (headOf(inbox) <= after) return { messages: [], upTo: after, more: false }
    const { userId, context } = this.#core
    const rows = await readToDevice(context.reads, userId, { deviceId, after, limit })
    const upTo = rows.at(-1)?.pos ?? after
    return {
      messages: rows.map((row) => row.message),
      upTo,
      more: rows.length >= limit && headOf(inbox) > upTo,
    }
  }

  /** Deletes what a device has; see `OwnState.acknowledgeToDevice`. */
  async acknowledge(deviceId: string, pos: number): Promise<void> {
    const inbox = inboxOf(await this.#load(), deviceId)
    if (pos <= inbox.deletedUpTo || headOf(inbox) <= inbox.deletedUpTo) return
    inbox.deletedUpTo = pos
    const draft = this.#core.draft()
    draft.put('to_device_ack', { user_id: this.#core.userId, device_id: deviceId, pos })
    void this.#core.decide(draft)
  }

  /** The devices are gone, and their inboxes with them. */
  async devicesRemoved(deviceIds: readonly string[]): Promise<void> {
    const inboxes = await this.#inboxes
    for (const deviceId of deviceIds) inboxes?.delete(deviceId)
  }

  /** Present devices with the content for each; what is said to one device goes before what is said to all. */
  #addressed(messages: DeliverToDevice['messages']): Map<string, DeliverToDevice['messages'][string]> {
    const addressed = new Map<string, DeliverToDevice['messages'][string]>()
    for (const deviceId of this.#core.devices.keys()) {
      const content = Object.hasOwn(messages, deviceId) ? messages[deviceId] : messages['*']
      if (content === undefined) continue
      if (utf8Bytes(JSON.stringify(content)) > maxToDeviceBytes) {
        throw new MatrixError('M_TOO_LARGE', `A to-device message can take ${maxToDeviceBytes} bytes.`)
      }
      addressed.set(deviceId, content)
    }
    return addressed
  }

  #remember(txnKey: string): void {
    this.#transactions.add(txnKey)
    if (this.#transactions.size <= rememberedTransactions) return
    const oldest = this.#transactions.keys().next()
    if (oldest.done !== true) this.#transactions.delete(oldest.value)
  }

  #load(): Promise<Map<string, Inbox>> {
    return (this.#inboxes ??= this.#read().catch((error: unknown) => {
      this.#inboxes = undefined
      throw error
    }))
  }

  async #read(): Promise<Map<string, Inbox>> {
    const heads = await readInboxHeads(this.#core.context.reads, this.#core.userId)
    return new Map([...heads].map(([deviceId, head]) => [deviceId, { head, coming: [], deletedUpTo: 0 }]))
  }
}

function inboxOf(inboxes: Map<string, Inbox>, deviceId: string): Inbox {
  return inboxes.getOrInsertComputed(deviceId, () => ({ head: 0, coming: [], deletedUpTo: 0 }))
}

/** The greatest position at which a message may be committed. */
function headOf(inbox: Inbox): number {
  for (let ref = inbox.coming[0]; ref?.isPlaced === true; ref = inbox.coming[0]) {
    // A group that was split is placed anew, further on: a position that was given may still grow.
    inbox.head = Math.max(inbox.head, ref.pos)
    inbox.coming.shift()
  }
  return inbox.head
}

function messageText(sender: string, type: string, content: object): string {
  return JSON.stringify({ type, sender, content })
}

export function toDeviceHandlers(inboxes: ToDevice): UserHandlers<'deliver'> {
  return {
    deliver: async (request) => {
      await inboxes.deliver(request)
      return nothing
    },
  }
}
