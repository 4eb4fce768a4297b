-- What reading a room needs beside its log in order of arrival.

-- Where an event stands in the log of its room's shard; null for one that takes no position.
alter table event add column if not exists pos bigint;

-- The few changes of who may see a room's history: every page of events is checked against all of them.
create index event_visibility on event (room_nid) where type = 'm.room.history_visibility';
