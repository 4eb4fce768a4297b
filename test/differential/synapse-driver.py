"""Answers what Synapse's rules say of events and states: a question per line on the input, an answer per line on the output, as JSON.

Questions:
  {"kind": "auth", "version": "11", "state": [PDU, ...], "events": [PDU, ...]}
      -> {"verdicts": [["allow" | "reject" | "fail", "why"], ...]}, one for each of the events by the same state; "fail" is an
         exception that Synapse does not mean as a verdict
  {"kind": "resolve", "version": "11", "events": [PDU, ...], "states": [[index, ...], ...]}
      -> {"entries": [index, ...]}, the resolved state as indexes into "events", ascending

PDUs are strings, for Synapse takes them as they were received.
"""

import asyncio
import json
import sys
from types import SimpleNamespace

from synapse.api.errors import AuthError, SynapseError
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.event_auth import (
    check_state_dependent_auth_rules,
    check_state_independent_auth_rules,
)
from synapse.events import make_event_from_json
from synapse.state import v1, v2


def parse(version, texts):
    return [make_event_from_json(text, KNOWN_ROOM_VERSIONS[version]) for text in texts]


def judge(version, text, state):
    try:
        [event] = parse(version, [text])
        if event.type == "m.room.create":
            asyncio.run(check_state_independent_auth_rules(None, event))
        else:
            check_state_dependent_auth_rules(event, state)
        return ["allow", ""]
    except (AuthError, SynapseError) as error:
        return ["reject", error.msg]
    except Exception as error:
        return ["fail", repr(error)]


def judge_all(question):
    state = parse(question["version"], question["state"])
    return {"verdicts": [judge(question["version"], text, state) for text in question["events"]]}


class Store:
    """The events of one room. Chains are walked without any shortcut."""

    def __init__(self, events):
        self.events = {event.event_id: event for event in events}

    async def get_events(self, event_ids, allow_rejected=False):
        return {i: self.events[i] for i in event_ids if i in self.events}

    def chain(self, event_ids):
        found, pending = set(), list(event_ids)
        while pending:
            event_id = pending.pop()
            if event_id not in found:
                found.add(event_id)
                pending.extend(self.events[event_id].auth_event_ids())
        return found

    async def get_auth_chain_difference(self, room_id, state_sets, conflicted, reachable):
        chains = [self.chain(ids) for ids in state_sets]
        subgraph = None
        if conflicted is not None:
            backwards = self.chain(conflicted)
            subgraph = {i for i in backwards if self.chain([i]) & conflicted}
        return SimpleNamespace(
            auth_difference=set.union(*chains) - set.intersection(*chains),
            conflicted_subgraph=subgraph,
        )


class Clock:
    async def sleep(self, duration):
        pass


def resolve(question):
    version = KNOWN_ROOM_VERSIONS[question["version"]]
    events = parse(question["version"], question["events"])
    index = {event.event_id: at for at, event in enumerate(events)}
    states = [
        {(events[at].type, events[at].state_key): events[at].event_id for at in state}
        for state in question["states"]
    ]
    store = Store(events)
    if question["version"] == "1":
        work = v1.resolve_events_with_store(events[0].room_id, version, states, None, store.get_events)
    else:
        work = v2.resolve_events_with_store(Clock(), events[0].room_id, version, states, None, store)
    return {"entries": sorted(index[i] for i in asyncio.run(work).values())}


for line in sys.stdin:
    question = json.loads(line)
    answer = judge_all(question) if question["kind"] == "auth" else resolve(question)
    print(json.dumps(answer), flush=True)
