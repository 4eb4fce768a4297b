/**
 * Every sentence of the design's sections 3 and 4 that says that something is never so, or only so, or that one thing comes before another,
 * with the faults that break it. A sentence that nothing breaks says why.
 */

export type Sentence = {
  /** Of the design. */
  readonly section: 3 | 4
  /** In its words, cut where it says more. */
  readonly text: string
} & (
  | {
      /** Names of mutations; each must be noticed. */
      readonly faults: readonly string[]
    }
  | {
      /** Why there is nothing to break. */
      readonly absent: string
    }
)

const ownership: readonly Sentence[] = [
  {
    section: 3,
    text: 'Ownership, fencing, commit (Postgres rows; NATS only hints)',
    faults: ['what a host hears is free is taken without a claim', 'heads are not polled'],
  },
  {
    section: 3,
    text: 'Renew every second, TTL 5 s, database clock only, on host_lease, …',
    faults: ["a lease goes by its host's own clock"],
  },
  {
    section: 3,
    text: '… over a connection that serves nothing else.',
    faults: ['a lease is renewed over the connection for everything'],
  },
  {
    section: 3,
    text: 'A lease that has expired cannot be revived: the host drops its shards and comes back as a new host.',
    faults: [
      'an expired lease is revived',
      'an expired lease is revived, in SQL',
      'a host whose lease has expired goes on renewing it',
      'a host goes on when its lease is over',
    ],
  },
  {
    section: 3,
    text: 'A wrong early claim costs a reload and never data, …',
    faults: ['no fence', 'no fence, in SQL', 'an epoch is given twice'],
  },
  {
    section: 3,
    text: "The successor reads the shard's data and its last position only in later statements, after the claim has committed.",
    faults: ['the head is read before the claim'],
  },
  {
    section: 3,
    text: 'Balance: each host aims at shards / live hosts, moves few at a time, and never flaps.',
    faults: ['a host gives up shards though it has no more than its share'],
  },
]

const commits: readonly Sentence[] = [
  {
    section: 3,
    text: 'Every transaction begins with SELECT 1 FROM shard … FOR NO KEY UPDATE (no row: fenced …), then compares the greatest pos of the log with the position $p from which the owner says that it goes on, then inserts $p+1 … $p+n.',
    faults: [
      'no fence',
      'no fence, in SQL',
      'the stated position is not looked at',
      'the stated position is not looked at, in SQL',
      'positions come from a sequence',
    ],
  },
  {
    section: 3,
    text: 'Idempotency lives with the effect, in its transaction and its shard.',
    faults: [
      'transaction keys are forgotten',
      'transaction keys are forgotten, in SQL',
      'a message that was lost with a failover is taken for delivered',
      'an upload that is repeated brings back a key that was given out',
    ],
  },
  {
    section: 3,
    text: 'Weaker locks, plain reads and foreign keys do not fence.',
    faults: [
      'a claim does not wait for a commit that has passed the fence',
      'the lock does not fence, in SQL',
    ],
  },
  {
    section: 3,
    text: 'The last row of a log is never deleted.',
    faults: ['the last row of a log is swept away', 'the last row of a log is swept away, in SQL'],
  },
  {
    section: 3,
    text: 'If the row at $p+1 bears our epoch, the first one had landed, for we are the only writer of this epoch: take its result.',
    faults: [
      'our own rows are not recognised',
      'rows above the last position that is known to be answered are swept away',
      'rows of another epoch pass for our own',
      'an epoch is given twice',
    ],
  },
  {
    section: 3,
    text: 'A connection that finds others raises incarnation and epochs before its first write, …',
    faults: [
      'another server is not noticed',
      'the first write over a connection comes before the look at the server',
    ],
  },
  {
    section: 3,
    text: "A disk snapshot put back keeps both: that alone needs the operator's command.",
    faults: [
      'a snapshot is put back and nobody says so',
      'a shard that stands behind is dropped like any other',
    ],
  },
  {
    section: 3,
    text: 'Group commit: while one transaction is in flight, everything that its shards decide next waits and goes together into the following one.',
    faults: ['commits of a host go to the database beside each other', 'what is sent again has grown'],
  },
  {
    section: 3,
    text: 'A group that fails for its content or size is split by room until the culprit stands alone and only that actor goes; …',
    faults: ['a refused group fails as a whole', 'a failed decision does not take the later ones along'],
  },
  {
    section: 3,
    text: 'Expected conflicts (transaction id seen, alias taken) are results, not exceptions.',
    faults: ['a conflict that is expected is a failure'],
  },
  {
    section: 3,
    text: 'Bulk goes before. What nothing refers to yet (outliers, auth events, trie nodes, staged transactions, media) is inserted before, outside the fence, …',
    absent:
      'there is nothing yet that needs it: events of this server come with what they refer to in one transaction',
  },
  {
    section: 3,
    text: 'But nothing that rests on an uncommitted decision leaves the actor: no 200, no 403, no answer to a read, no make_join template, no message to another actor.',
    faults: [
      'answers do not wait for the commit',
      'refusals do not wait for the commit',
      'other actors are told before the commit',
      'followers are told before the commit',
    ],
  },
  {
    section: 3,
    text: 'Actors are discarded and reloaded when they are fenced or the fault is theirs, not for every hiccup of the database.',
    faults: ['a lost answer is taken for a failure'],
  },
  {
    section: 3,
    text: 'A request that spans shards has no row of its own that proves anything: repeated, each part finds itself done.',
    faults: ['a message that comes again is delivered again'],
  },
  {
    section: 3,
    text: 'No think time inside a transaction; …',
    absent: 'every transaction is one statement: there is no place in it to think',
  },
  {
    section: 3,
    text: 'Start-up refuses fsync=off, synchronous_commit=off, an encoding other than UTF-8.',
    faults: ['a server that acknowledges before it has written is taken'],
  },
  {
    section: 3,
    text: "A read answered from an owner's memory is valid only while its lease is, by the monotonic clock, with a second to spare.",
    faults: ['memory answers whatever the lease says', 'a host goes on when its lease is over'],
  },
  {
    section: 3,
    text: "An actor never reads another shard's memory to decide; …",
    faults: [
      'what a user actor remembers of a room decides whether he may forget it',
      'an actor knows another kind from within',
    ],
  },
  {
    section: 3,
    text: '… it asks Postgres in a statement begun after the request arrived, or the owner.',
    faults: ['a statement that is under way is joined'],
  },
  {
    section: 3,
    text: 'Gap-free is about giving positions, not keeping rows: superseded receipts, account data and device rows are deleted by a sweeper.',
    faults: [
      'positions come from a sequence',
      'a row that nothing has made void is swept away',
      'a row that nothing has made void is swept away, in SQL',
      'the last word on the devices of somebody is swept away',
      'what rooms have not been told of yet is swept away, in SQL',
    ],
  },
]

const following: readonly Sentence[] = [
  {
    section: 4,
    text: 'The owner announces {epoch, head} …, at most 20 times a second; everybody also polls all heads …. Correct if NATS delivers nothing; fast if it does.',
    faults: ['heads are announced with every commit', 'heads are not polled'],
  },
  {
    section: 4,
    text: 'An unbroken chain proves that nothing the host follows lies between.',
    faults: [
      'a missing message does not break the chain',
      'rings stand in beyond what the chain has proven',
      'an old follow request undoes a new one',
    ],
  },
  {
    section: 4,
    text: "A broken chain or a new epoch empties the shard's rings and follows again; …",
    faults: [
      'a new epoch does not break the chain',
      'rings keep what they had when the chain broke',
      'who types is not taken from the owner when the chain broke',
    ],
  },
  {
    section: 4,
    text: "… a gap is never read as a whole, each sync reads only its own rooms' rows.",
    faults: ['a room that somebody has left is read on for him'],
  },
  {
    section: 4,
    text: "What concerns one user is a row of the room's log that carries his id, the new and the previous membership, indexed, never overwritten.",
    faults: ['a membership takes the place of the one before it'],
  },
]

const syncing: readonly Sentence[] = [
  {
    section: 4,
    text: "Sync takes the heads of all 64 shards, committed values in one statement; then U's own rows in (since, head] …; only then the rows of those rooms, since[s] < pos <= head[s].",
    faults: ['own rows are read up to other heads than those of the token'],
  },
  {
    section: 4,
    text: 'The new token is what was actually included.',
    faults: [
      'the token names the heads and not what was included',
      'a sync goes on to heads that another owner of the shard has written',
      'the to-device position is the head',
    ],
  },
  {
    section: 4,
    text: 'A set of rooms in memory may stand in for the second query only if it has been carried through every such row up to the head used.',
    faults: [
      'rooms in memory stand in though rows may be missing',
      'rows that concern one user are not sent to the owner of his shard',
    ],
  },
  {
    section: 4,
    text: 'Heads that come from different places are never compared across shards.',
    faults: ['heads from memory and heads of before are put together'],
  },
  {
    section: 4,
    text: 'state, state_after, /members?at= and device_lists.left are differences of roots at two positions, never of "the state after the last timeline event".',
    faults: ['a gap in the timeline hides its state'],
  },
  {
    section: 4,
    text: 'The request is answered when the local rooms have it. So in every room it [a device change] precedes whatever that device says there, a sync needs only the logs of its rooms.',
    faults: [
      'changed devices are answered before the rooms have them',
      'changes of the owner before are not waited for',
    ],
  },
  {
    section: 4,
    text: "A small counter of the user's activation (random start, compared for equality only) for typing and presence, which are memory only: another start means that the present state is told once.",
    faults: [
      'typing of another activation passes for that of this one',
      'a token does not say that its client was left with somebody typing',
      'a client that may know a room is not told that nobody types there',
      'who typed under the owner before goes on typing for the new one',
      'an owner believes what the one before says of typing',
      'the typing of an activation does not end with it',
      'somebody begins to type in an activation that has ended',
    ],
  },
  {
    section: 4,
    text: 'An unknown version or incarnation gives a fresh limited state, never an error loop.',
    faults: [
      'a token of another version is an error',
      'tokens of another incarnation are believed',
      'an activation outlives the incarnation that it was loaded in',
    ],
  },
  {
    section: 4,
    text: 'A component above the head in memory first asks Postgres; only above the committed head is a token foreign.',
    faults: ['a token above the heads in memory is foreign at once'],
  },
  {
    section: 4,
    text: 'A component never decreases.',
    faults: ['a component of a token decreases'],
  },
  {
    section: 4,
    text: 'To-device rows are deleted only by a to-device position that this incarnation gave, in the place where that API carries it; never by the head, …',
    faults: [
      'to-device messages are deleted when they are sent',
      'to-device messages are deleted by the head',
    ],
  },
  {
    section: 4,
    text: '… nor by a token shown to another endpoint.',
    absent: 'no other request brings a token to the actor that owns the messages',
  },
  {
    section: 4,
    text: 'A room has one order, that of arrival; /sync, /messages, /context, receipts and unread counts all use it, depth nowhere.',
    absent: 'no table has a column with the depth of an event, so that nothing can be ordered by it',
  },
  {
    section: 4,
    text: 'Events fetched later for a gap stand directly before the event after the gap, (its position, −1, −2, …). Backfilled events and outliers thus take no position.',
    absent: 'events of other servers are not in the program yet',
  },
  {
    section: 4,
    text: 'Revocation is a log row of kind session; …',
    faults: ['a logout leaves no row'],
  },
  {
    section: 4,
    text: '… a cached entry holds while the gateway has seen the session rows up to heads at most one second old, else it asks Postgres.',
    faults: [
      'a session that is kept counts for ever',
      'a session that is read while one ends is kept',
      'a read of before a revocation is joined after it',
      'a read that began long ago is joined',
      'the session rows count as seen up to the answer',
      'the session rows are not looked at again once that has failed',
      'sessions that a failover has lost stay where they are kept',
    ],
  },
  {
    section: 4,
    text: "Resharding N → 2N: …; an old token's component is copied to both; readers look in the parent below the split.",
    absent: 'the number of shards cannot be changed yet',
  },
]

export const sentences: readonly Sentence[] = [...ownership, ...commits, ...following, ...syncing]
