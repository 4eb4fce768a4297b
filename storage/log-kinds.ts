/**
 * The kinds of row in a shard's log, as numbered in `log.kind`. A number is never reused.
 *
 * A new kind is read one release before it is written (DESIGN.md §5).
 */
export const logKinds = {
  /**
   * A live event of a room. Carries `stateRoot`; a membership event also `userId`, `membership`, `prevMembership`. `body`: {predecessor}, where
   * a local user comes into a room that replaces that one; else absent.
   */
  event: 1,
  /** The room's current state changed by resolution and not by an event. Carries `stateRoot`. */
  state: 2,
  /** A user's membership changed by resolution. Carries `userId`, `membership`, `prevMembership`. */
  membership: 3,
  /** A read receipt. `body`: {@link ReceiptBody}. */
  receipt: 4,
  /** A device list of somebody in the room changed. `body`: {user}. */
  deviceList: 5,
  /** Account data of a user; in his own shard, as are all that follow. `body`: {type, roomId?, content}. */
  accountData: 20,
  /** To-device messages for one user. The messages are rows of `to_device`. `body`: {devices}. */
  toDevice: 21,
  /**
   * The user's devices, device keys, cross-signing keys or signatures changed; see `deviceList` for the rooms' part. `body`: {users?}: the
   * keys of these other users look different to him alone, because he has signed them; absent: it is his own that changed.
   */
  userDevices: 22,
  /** One or all sessions of a user ended, or an account was closed. `body`: {deviceIds?: string[]}; absent: all. */
  session: 23,
  /** A profile field changed. `body`: {keys}. */
  profile: 24,
  /** The user forgot a room. `body`: {roomId, shard, pos}: up to that membership row. */
  forget: 25,
} as const

export type LogKind = keyof typeof logKinds

/** Memberships as numbered in `log.membership`. */
export const memberships = { leave: 0, join: 1, invite: 2, ban: 3, knock: 4 } as const

export type Membership = keyof typeof memberships

const kindNames = new Map<number, LogKind>(Object.entries(logKinds).map(([name, n]) => [n, name as LogKind]))
const membershipNames: readonly Membership[] = ['leave', 'join', 'invite', 'ban', 'knock']

/** The name of a stored kind, or undefined where a newer program wrote one that this one does not know. */
export function logKindName(kind: number): LogKind | undefined {
  return kindNames.get(kind)
}

/** The membership behind its stored number. */
export function membershipName(value: number | null): Membership | undefined {
  return value == null ? undefined : membershipNames[value]
}
