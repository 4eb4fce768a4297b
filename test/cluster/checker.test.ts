/** Each rule passes a good run and fails the run in which one thing is wrong. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  acknowledgedIsKept,
  check,
  countsAreRight,
  epochsGrow,
  keysOnce,
  noFork,
  nothingTwice,
  oneOrder,
  positionsWithoutGap,
  realTimeOrder,
  type Rule,
  rules,
  stateIsRight,
  whispersArrive,
} from './checker.ts'
import type { Ear, History, LogRow, Send, StateSeen, StoredEvent, Timeline } from './history.ts'

type Changeable<T> = { -readonly [K in keyof T]: T[K] }

interface Draft extends History {
  readonly sends: Changeable<Send>[]
  readonly timelines: Changeable<Timeline>[]
  readonly log: Changeable<LogRow>[]
  readonly events: Changeable<StoredEvent>[]
  readonly owners: { shard: number; epoch: number; owner: number }[]
  readonly states: (Changeable<StateSeen> & { folded: Map<string, string>; served: Map<string, string> })[]
  readonly ears: Changeable<Ear>[]
  readonly claims: string[]
}

const roomId = '!room'
const eventIds = ['$create', '$one', '$two', '$three']

function send(n: number, invokedAtMs: number, returnedAtMs: number): Send {
  const eventId = eventIds[n] ?? ''
  const who = { userId: '@alice:test', deviceId: 'A', roomId }
  return { ...who, txnId: `t${n}`, body: `message ${n}`, invokedAtMs, returnedAtMs, eventIds: [eventId] }
}

function event(n: number): StoredEvent {
  return {
    eventId: eventIds[n] ?? '',
    roomId,
    type: n === 0 ? 'm.room.create' : 'm.room.message',
    stateKey: n === 0 ? '' : undefined,
    sender: '@alice:test',
    txn: n === 0 ? undefined : `A t${n}`,
    body: n === 0 ? undefined : `message ${n}`,
    mentions: n === 2 ? ['@bob:test'] : [],
    pos: n + 1,
    prevEvents: n === 0 ? [] : [eventIds[n - 1] ?? ''],
    depth: n + 1,
  }
}

function timeline(client: string, told: { notifications: number; highlights: number }): Timeline {
  return { client, roomId, eventIds: [...eventIds], ...told, readTo: undefined }
}

/** Three messages in one room with two clients; the shard moves once. One and two overlap, three comes after both. */
function goodRun(): Draft {
  return {
    sends: [send(1, 0, 10), send(2, 5, 15), send(3, 20, 30)],
    timelines: [
      timeline('@alice:test', { notifications: 0, highlights: 0 }),
      timeline('@bob:test', { notifications: 3, highlights: 1 }),
    ],
    states: ['@alice:test', '@bob:test'].map((client) => ({
      client,
      roomId,
      folded: new Map([['m.room.create ', '$create']]),
      served: new Map([['m.room.create ', '$create']]),
    })),
    whispers: [{ to: '@bob:test', text: 'psst' }],
    ears: [{ client: '@bob:test', heard: ['psst', 'psst', 'what nobody acknowledged'] }],
    claims: ['key 1 of @bob:test', 'key 2 of @bob:test'],
    log: [1, 2, 3, 4].map((pos) => ({ shard: 0, pos, epoch: pos < 3 ? 1 : 2 })),
    events: [0, 1, 2, 3].map(event),
    owners: [
      { shard: 0, epoch: 1, owner: 11 },
      { shard: 0, epoch: 1, owner: 11 },
      { shard: 0, epoch: 2, owner: 12 },
    ],
  }
}

/** The rule objects to the change, and says so in these words. */
function objects(rule: Rule, words: RegExp, change: (run: Draft) => void): void {
  const run = goodRun()
  change(run)
  assert.match(rule(run).join('\n'), words)
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index]
  assert.ok(found !== undefined)
  return found
}

test('a good run passes every rule', () => {
  assert.deepEqual(check(goodRun()), [])
  assert.equal(Object.keys(rules).length, 11)
})

test('what a rule finds is told with the name of the rule', () => {
  const run = goodRun()
  at(run.events, 3).depth = 9
  assert.deepEqual(check(run), ['C7 no room forks: $three has depth 9 behind an event of depth 3'])
})

test('an acknowledged event that is not in the database is lost', () => {
  objects(acknowledgedIsKept, /\$two .* is not in the database/, (run) => void run.events.splice(2, 1))
})

test('an acknowledged event that one client never saw is lost', () => {
  objects(acknowledgedIsKept, /^@bob:test never saw \$three/, (run) => {
    at(run.timelines, 1).eventIds = eventIds.slice(0, 3)
  })
})

test('a message whose answer never came may be there or not', () => {
  const run = goodRun()
  run.sends.push({ ...send(0, 40, 0), body: 'unknown', eventIds: [] })
  delete at(run.sends, 2).returnedAtMs
  at(run.sends, 2).eventIds = []
  assert.deepEqual(check(run), [])
})

test('two events of one transaction id are a double effect', () => {
  objects(nothingTwice, /transaction !room @alice:test A t1 made more than one event/, (run) => {
    at(run.events, 2).txn = 'A t1'
  })
})

test('a message that is there twice is a double effect even without a transaction id', () => {
  objects(nothingTwice, /^"message 1" is there more than once$/, (run) => {
    run.events.push({ ...event(1), eventId: '$again', txn: undefined, pos: 5 })
  })
})

test('an event at two positions is a double effect', () => {
  objects(nothingTwice, /\$one has more than one position/, (run) => {
    run.events.push({ ...event(1), body: undefined, txn: undefined, pos: 5 })
  })
})

test('two answers to one transaction id must name the same event', () => {
  objects(nothingTwice, /was answered with \$one and \$other/, (run) => {
    at(run.sends, 0).eventIds = ['$one', '$other']
  })
  const run = goodRun()
  at(run.sends, 0).eventIds = ['$one', '$one']
  assert.deepEqual(check(run), [])
})

test('a client that is given an event twice is told so', () => {
  objects(nothingTwice, /^@alice:test was given \$two more than once$/, (run) => {
    at(run.timelines, 0).eventIds = [...eventIds, '$two']
  })
})

test('two clients with different orders are found', () => {
  objects(oneOrder, /@bob:test has 4 events .* number 2: \$two instead of \$one/, (run) => {
    at(run.timelines, 1).eventIds = ['$create', '$two', '$one', '$three']
  })
})

test('a hole in a timeline, a missing beginning and a surplus event are found', () => {
  objects(oneOrder, /number 3/, (run) => {
    at(run.timelines, 0).eventIds = ['$create', '$one', '$three']
  })
  objects(oneOrder, /number 1/, (run) => {
    at(run.timelines, 0).eventIds = eventIds.slice(1)
  })
  objects(oneOrder, /number 5: \$ghost instead of undefined/, (run) => {
    at(run.timelines, 0).eventIds = [...eventIds, '$ghost']
  })
})

test('a message that overtakes one acknowledged before it was sent is found', () => {
  objects(realTimeOrder, /"message 3" stands before "message 2"/, (run) => {
    at(run.events, 2).pos = 4
    at(run.events, 3).pos = 3
  })
})

test('messages that were under way together may stand in either order', () => {
  const run = goodRun()
  at(run.events, 1).pos = 3
  at(run.events, 2).pos = 2
  assert.deepEqual(realTimeOrder(run), [])
})

test('messages of different rooms have no order', () => {
  const run = goodRun()
  at(run.sends, 2).roomId = '!other'
  at(run.events, 3).pos = 1
  assert.deepEqual(realTimeOrder(run), [])
})

test('a write under an old epoch after one under a new epoch is found', () => {
  objects(epochsGrow, /shard 0: position 4 bears epoch 1 after epoch 2/, (run) => {
    at(run.log, 3).epoch = 1
  })
})

test('two owners of one epoch are found', () => {
  objects(epochsGrow, /shard 0, epoch 1 had the owners 11 and 12/, (run) => {
    run.owners.push({ shard: 0, epoch: 1, owner: 12 })
  })
})

test('each shard has epochs of its own', () => {
  const run = goodRun()
  run.log.push({ shard: 1, pos: 1, epoch: 1 })
  assert.deepEqual(check(run), [])
})

test('a hole in the positions and a log that does not begin at one are found', () => {
  objects(positionsWithoutGap, /shard 0: position 3 follows 1/, (run) => void run.log.splice(1, 1))
  objects(positionsWithoutGap, /shard 0 begins at position 2/, (run) => void run.log.splice(0, 1))
})

test('a position that is given twice is found', () => {
  objects(positionsWithoutGap, /position 2 follows 2/, (run) => {
    run.log.splice(2, 0, { shard: 0, pos: 2, epoch: 1 })
  })
})

test('an event built on an older tip, on two tips or on none is a fork', () => {
  objects(noFork, /\$three names \[\$one\] and stands behind \[\$two\]/, (run) => {
    at(run.events, 3).prevEvents = ['$one']
  })
  objects(noFork, /\$three names \[\$two, \$one\]/, (run) => {
    at(run.events, 3).prevEvents = ['$two', '$one']
  })
  objects(noFork, /\$three names \[\]/, (run) => {
    at(run.events, 3).prevEvents = []
  })
})

test('a client that is told of too many or too few unread messages is found', () => {
  objects(countsAreRight, /@bob:test was told of 2 unread messages in !room where there are 3/, (run) => {
    at(run.timelines, 1).notifications = 2
  })
  objects(countsAreRight, /@alice:test was told of undefined/, (run) => {
    at(run.timelines, 0).notifications = undefined
  })
  objects(countsAreRight, /@bob:test was told of 0 mentions in !room where there are 1/, (run) => {
    at(run.timelines, 1).highlights = 0
  })
})

test('what a client has read is not unread', () => {
  const run = goodRun()
  at(run.timelines, 1).readTo = '$two'
  at(run.timelines, 1).notifications = 1
  at(run.timelines, 1).highlights = 0
  assert.deepEqual(countsAreRight(run), [])
  objects(countsAreRight, /was told of 3 unread messages in !room where there are 1/, (wrong) => {
    at(wrong.timelines, 1).readTo = '$two'
  })
})

test('a state that differs between the client, the server’s answer and the log is found', () => {
  const words =
    /^@bob:test has .* for "m.room.create " of !room, is served .*, and the log ends with \$create$/
  objects(stateIsRight, words, (run) => void at(run.states, 1).folded.set('m.room.create ', '$old'))
  objects(stateIsRight, words, (run) => void at(run.states, 1).served.delete('m.room.create '))
  objects(stateIsRight, /log ends with undefined$/, (run) => {
    for (const known of [at(run.states, 0).folded, at(run.states, 0).served])
      known.set('m.room.name ', '$name')
  })
  objects(stateIsRight, /log ends with \$later$/, (run) => {
    run.events.push({ ...event(0), eventId: '$later', pos: 9 })
  })
})

test('an acknowledged message to a device that never arrives is found', () => {
  objects(whispersArrive, /@bob:test never heard "psst"/, (run) => {
    at(run.ears, 0).heard = ['what nobody acknowledged']
  })
  objects(whispersArrive, /@bob:test never heard "psst"/, (run) => {
    at(run.ears, 0).client = '@alice:test'
  })
})

test('a one-time key that is handed out twice is found', () => {
  objects(keysOnce, /key 1 of @bob:test was handed out more than once/, (run) => {
    run.claims.push('key 1 of @bob:test')
  })
})

test('messages from before a client joined are not unread', () => {
  const run = goodRun()
  const join = {
    ...event(1),
    type: 'm.room.member',
    stateKey: '@bob:test',
    sender: '@bob:test',
    body: undefined,
  }
  run.events.splice(1, 1, join)
  at(run.timelines, 1).notifications = 2
  assert.deepEqual(countsAreRight(run), [])
})
