-- What following and syncing look for in the log, beside whole rooms and whole users.

-- Ended sessions: looked at several times a second by every gateway, and few.
create index log_session on log (shard_id, pos) where kind = 23;

-- The members of a room and when each of them became what he is.
create index log_member on log (room_nid, user_id, pos) where membership is not null;
