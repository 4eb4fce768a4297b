/**
 * The actor of a local user: the one place that decides about his account, devices, keys, settings and inbox.
 *
 *   user.ts ─┬─ sessions, accounts, devices          who he is and what he is logged in with
 *            ├─ account-data, push-rules, profile, filters, media
 *            ├─ keys, cross-signing, backup, to-device
 *            └─ sync/                                reading along
 *
 * Each concern is a file that answers its kinds of request. An account and its devices are loaded with the actor, everything
 * else when it is first needed.
 */

import { MatrixError } from '#protocol/errors.ts'
import type { ServerName } from '#protocol/ids/server-name.ts'
import { parseUserId, serverOf, type UserId } from '#protocol/ids/user-id.ts'
import { readAccount } from '#storage/users/accounts.ts'
import { readDevices } from '#storage/users/devices.ts'
import type {
  Actor,
  ActorContext,
  ActorDefinition,
  Caller,
  ReplyWithBody,
  RequestOf,
} from '../runtime/contract.ts'
import { accountDataHandlers, AccountData, ignoredUsersIn } from './account-data.ts'
import { accountHandlers } from './accounts.ts'
import { Backups, backupHandlers } from './backup.ts'
import { SeenKeys, UserCore, nothing, type Draft, type UserHandlers } from './core.ts'
import { CrossSigning, crossSigningHandlers } from './cross-signing.ts'
import { deviceHandlers } from './devices.ts'
import type { Fanout } from './fanout.ts'
import { filterHandlers } from './filters.ts'
import { forgetHandlers } from './forget.ts'
import { Keys, keyHandlers } from './keys.ts'
import { mediaHandlers } from './media.ts'
import type { SyncRequest, UserMessages } from './messages.ts'
import type { OwnState } from './own-state.ts'
import { Profile, profileHandlers } from './profile.ts'
import { pushRuleHandlers } from './push-rules.ts'
import { sessionHandlers, type SessionHooks } from './sessions.ts'
import { carryLater, successionHandlers } from './succession.ts'
import { ToDevice, toDeviceHandlers } from './to-device.ts'

/** What answers `sync` for one user; made with the activation and ended with it. */
export interface UserReading {
  sync(request: SyncRequest, caller: Caller): Promise<ReplyWithBody>
  /** A room's owner says that this user's membership changed there. */
  onMembershipHint(hint: UserMessages['membershipChanged']['request']): void
  /** What only this actor knows has changed, such as how many one-time keys are left: whoever waits looks again. */
  poke(): void
  /** How many syncs wait. */
  readonly waiting: number
  dispose(): void
}

export interface UserActorOptions {
  readonly serverName: ServerName
  readonly fanout: Fanout
  readonly makeReading: (context: ActorContext, userId: UserId, own: OwnState) => UserReading
}

/** At most so many requests wait for one user; the next is told to come later. */
const mailboxLimit = 1000

/** Milliseconds after which an idle user is put to sleep. */
const idleMs = 10 * 60_000

type OwnKinds = Exclude<keyof UserMessages, 'sync' | 'membershipChanged' | 'spread' | 'moveCursor'>

/** The kind of actor that composition gives to the host. One for all users of a process. */
export function userActor(options: UserActorOptions): ActorDefinition<UserMessages> {
  const seen = new SeenKeys()
  return {
    kind: 'user',
    interleaved: new Set(['sync', 'spread']),
    mailboxLimit,
    idleMs,
    load: async (context) => {
      const userId = parseUserId(context.key)
      if (serverOf(userId) !== options.serverName) {
        throw new MatrixError('M_NOT_FOUND', 'This is not a user of this server.')
      }
      const [account, devices] = await Promise.all([
        readAccount(context.reads, userId),
        readDevices(context.reads, userId),
      ])
      // Whoever was discarded meanwhile must not listen in the place of the activation that came after.
      context.signal.throwIfAborted()
      const { serverName, fanout } = options
      const core = new UserCore({ context, userId, serverName, account, devices, fanout, seen })
      return new UserActor(core, options.makeReading)
    },
  }
}

class UserActor implements Actor<UserMessages> {
  readonly #core: UserCore
  readonly #handlers: UserHandlers<OwnKinds>
  readonly #reading: UserReading

  constructor(core: UserCore, makeReading: UserActorOptions['makeReading']) {
    this.#core = core
    const accountData = new AccountData(core)
    const profile = new Profile(core)
    const inboxes = new ToDevice(core)
    const keys = new Keys(core)
    const crossSigning = new CrossSigning(core)
    const hooks: SessionHooks = {
      devicesRemoved: (draft, deviceIds, hadKeys) =>
        removeWithDevices({ keys, inboxes }, draft, deviceIds, hadKeys),
    }
    this.#handlers = {
      ...sessionHandlers(core, hooks),
      ...accountHandlers(core, { hooks, profile, crossSigning }),
      ...deviceHandlers(core, hooks),
      ...accountDataHandlers(core, accountData),
      ...pushRuleHandlers(core, accountData),
      ...successionHandlers(core, accountData),
      ...profileHandlers(core, profile),
      ...filterHandlers(core),
      ...forgetHandlers(core),
      ...mediaHandlers(core),
      ...keyHandlers(keys, () => this.#reading.poke()),
      ...crossSigningHandlers(crossSigning),
      ...toDeviceHandlers(inboxes),
      ...backupHandlers(new Backups(core)),
    }
    this.#reading = makeReading(core.context, core.userId, ownState(core, { accountData, keys, inboxes }))
    core.context.signal.addEventListener('abort', () => this.#reading.dispose(), { once: true })
  }

  handle(request: RequestOf<UserMessages>, caller: Caller): unknown {
    switch (request.kind) {
      case 'sync':
        return this.#reading.sync(request.body, caller)
      case 'membershipChanged':
        this.#reading.onMembershipHint(request.body)
        return nothing
      case 'spread':
        return this.#core.spread().then(() => nothing)
      case 'moveCursor':
        void this.#core.decide(this.#core.draft())
        return nothing
      default:
        return this.#answer(request, caller)
    }
  }

  get mayPassivate(): boolean {
    return this.#reading.waiting === 0 && !this.#core.isFollowed
  }

  #answer(request: Extract<RequestOf<UserMessages>, { kind: OwnKinds }>, caller: Caller): unknown {
    // The cast states what the type of the table guarantees: each kind's handler takes the body of that kind.
    const handler = this.#handlers[request.kind] as (body: unknown, caller: Caller) => unknown
    return handler(request.body, caller)
  }
}

interface Parts {
  readonly accountData: AccountData
  readonly keys: Keys
  readonly inboxes: ToDevice
}

/** What goes when devices go. Others learn of it only if they could know the devices, by their keys. */
async function removeWithDevices(
  parts: Pick<Parts, 'keys' | 'inboxes'>,
  draft: Draft,
  deviceIds: readonly string[],
  hadKeys: boolean,
): Promise<void> {
  await parts.inboxes.devicesRemoved(deviceIds)
  await parts.keys.devicesRemoved(draft, deviceIds)
  if (hadKeys) draft.changeDeviceList()
}

function ownState(core: UserCore, { accountData, keys, inboxes }: Parts): OwnState {
  return {
    accountData: (roomId) => accountData.of(roomId),
    accountDataAfter: (pos) => accountData.ofRoomsAfter(pos),
    ignoredUsers: async () => ignoredUsersIn(await accountData.content('', 'm.ignored_user_list')),
    pushRules: () => accountData.pushRules(),
    keyCounts: (deviceId) => keys.counts(deviceId),
    toDevice: (deviceId, after, limit) => inboxes.page(deviceId, after, limit),
    acknowledgeToDevice: (deviceId, pos) => {
      // A failure of the read leaves the messages where they are: the next acknowledgement deletes them.
      inboxes.acknowledge(deviceId, pos).catch(() => {})
    },
    carryOver: (successions) => {
      // A failure of the read leaves it to the next activation.
      carryLater(core, accountData, successions).catch(() => {})
    },
  }
}
