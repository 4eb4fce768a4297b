-- The sweep: what a later row of a log has made void is deleted, so that a log grows with what there is to know and not with how
-- often it was said. It walks each log once, from the oldest row on. Of every key that it has walked past, one row is left: the
-- last one. Whoever reads on from any old position thus still finds the latest word on everything.

create table sweep (
  shard_id    integer primary key,
  pos         bigint not null,                -- the log has been walked up to here
  ripe_pos    bigint not null,                -- rows up to here are old enough to be walked
  seen_pos    bigint not null,                -- where the log ended …
  seen_at     timestamptz not null,           -- … at this time; database clock only
  session_pos bigint not null default 0       -- the greatest position of a row of kind session that was deleted
);

-- The one row of this key that the walk has left behind it; null: none yet. The sweep alone writes it: the send path pays nothing.
alter table receipt add column kept_pos bigint;
alter table account_data add column kept_pos bigint;

-- Rows that say the same of the same. The kinds are rare, and rows of other kinds have no entry here.
create index log_repeated on log (kind, coalesce(user_id, room_nid::text), hashtextextended(body, 0)) where kind in (5, 22, 24);

-- Reservations of media ids are deleted when their time is over; so are tokens that served one purpose for a short time.
create index login_token_expiry on login_token (expires_at);
create index openid_token_expiry on openid_token (expires_at);

-- Which item a row of kind accountData is of. The content may hold what the JSON functions refuse (U+0000), so that the body is cut and not
-- parsed: {"type":…,"content":{…}} with ,"roomId":… at the end for a room's. A key that is written with \u is not recognised; its rows stay.
create function account_data_key(body text, out room_id text, out type text)
language sql immutable as $$
  select case when right(body, 2) = '}}' then '' when r.part not like '%\\u%' then r.part::json #>> '{}' end,
    case when t.part not like '%\\u%' then t.part::json #>> '{}' end
  from substring(left(body, 2000) from '^\{"type":("(?:[^"\\]|\\.)*"),"content":\{') as t(part),
    substring(right(body, 2000) from ',"roomId":("(?:[^"\\]|\\.)*")\}$') as r(part)
$$;

-- What the walk finds in (after, up_to] of a log: `goes` is the position of a row that can be deleted because of the row at `pos`, which is
-- that row itself where a later one has come. Where the row at `pos` is the one to be left of its key, `holder` is the row of `receipt` or
-- `account_data` that has to note it.
--
-- Why no reader misses what goes:
--   receipt (4)      Postgres is asked for receipts in the table `receipt`, by the position of the latest, never in the log. Rings hold what
--                    they were told at the commit. A private receipt is also one of its user's own rows, which say nothing to him but that
--                    he be woken, long ago.
--   deviceList (5)   Read by sync and `/keys/changes` as "this user's devices changed after the token": the latest row of a user in a room
--                    answers that for every token before it, and after it there is nothing to tell. Rows are alike if room and user are.
--                    Where `/keys/changes` is asked up to a token between the two, it may leave the user out: the sync from there names him.
--   accountData (20) The content is read from `account_data`, with the position of the last change. The rows tell an activation that has
--                    begun to read along up to where it must look; the latest row of an item tells it that.
--   userDevices (22) As 5, for the user's own devices and for the other users whom a row names. A row goes only for one of the same user that
--                    names the same users, so that the latest change of each named user stays.
--   profile (24)     Nobody is told of it from the log but the rooms, by the cursor.
--   session (23)     Gateways read these rows for their caches several times a second and need none that is older than what they have seen.
--                    One that slept through what was deleted sees it by `sweep.session_pos`. The latest row stays: a gateway begins there.
-- Rows of 22 and 24 above the cursor of their kind are still to be told to rooms, and stay. Events, states, memberships, to-device rows and
-- forgotten rooms are never walked over, nor is any row with an idempotency key.
--
-- It takes no lock: what is void once remains so. Keys are taken out of the bodies before anything is joined by them; otherwise the
-- planner would find all receipts of a room, or all items of a user, for each row.
create function sweep_walk(shard integer, after bigint, up_to bigint)
returns table (pos bigint, kind smallint, goes bigint, holder tid)
language sql stable
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
  with walked as materialized (
    select l.pos, l.kind, l.room_nid, l.user_id, l.body from log l
    where l.shard_id = shard and l.pos > after and l.pos <= up_to and l.kind in (4, 5, 20, 22, 24) and l.txn_key is null
  ), read as materialized (
    select w.pos, w.room_nid, b."userId" as user_id, b."receiptType" as receipt_type, b."threadId" as thread_id
    from walked w cross join lateral json_to_record(case when w.kind = 4 then w.body::json end)
      as b("userId" text, "receiptType" text, "threadId" text)
    where w.kind = 4
  ), stored as materialized (
    select w.pos, w.user_id, k.room_id, k.type from walked w cross join lateral account_data_key(w.body) as k
    where w.kind = 20
  ), last_session as (
    select l.pos from log l where l.shard_id = shard and l.kind = 23 order by l.shard_id desc, l.pos desc limit 1
  )
  select r.pos, 4::smallint, case when c.pos > r.pos then r.pos when c.kept_pos < r.pos then c.kept_pos end,
    case when c.pos = r.pos then c.ctid end
  from read r join receipt c using (room_nid, user_id, receipt_type, thread_id)
  union all
  select s.pos, 20::smallint, case when d.pos > s.pos then s.pos when d.kept_pos < s.pos then d.kept_pos end,
    case when d.pos = s.pos then d.ctid end
  from stored s join account_data d using (user_id, room_id, type)
  union all
  select w.pos, w.kind, o.pos, null
  from walked w
    join log o on o.kind = w.kind and o.kind in (5, 22, 24)
      and coalesce(o.user_id, o.room_nid::text) = coalesce(w.user_id, w.room_nid::text)
      and hashtextextended(o.body, 0) = hashtextextended(w.body, 0)
  where w.kind in (5, 22, 24) and o.shard_id = shard and o.pos < w.pos and o.body = w.body
    and o.user_id is not distinct from w.user_id and o.room_nid is not distinct from w.room_nid
    and (o.kind = 5 or o.pos <= (
      select min(f.pos) from cursor f
      where f.source = shard and f.kind = case o.kind when 22 then 'devices' else 'profile' end
    ))
  union all
  select l.pos, l.kind, l.pos, null
  from log l join last_session s on l.pos < s.pos
  where l.shard_id = shard and l.kind = 23 and l.pos <= up_to
$$;

-- What a step tells of the log as it leaves it.
create function sweep_answer(state sweep, age interval, deleted json) returns json language sql volatile as $$
  select json_build_object('kind', 'done', 'deleted', coalesce(deleted, '{}'), 'wait', case
    when state.pos < state.ripe_pos then 0
    when state.pos < state.seen_pos then
      greatest(0, ceil(extract(epoch from state.seen_at + age - clock_timestamp()) * 1000))
  end)
$$;

-- One step on one log: looks at the next `look` rows that are older than `age` and not above `up_to`, the position up to which its owner knows
-- his commits answered. (A commit that is sent again is recognised by its first row.) Returns {"kind": "fenced"} with nothing done, or
-- {"kind": "done", "deleted": {kind: rows}, "wait": ms until there can be more to do, null: not before the next commit}.
--
-- The walk comes before the lock, which is then held for what is to be changed alone. What was written meanwhile makes rows void and no void
-- one valid: a row that was to be left has then been followed by another, its holder is not found where it was, and it goes. The head is
-- read under the lock: the last row of a log is the sequencer and is never deleted.
create function sweep_log(shard integer, owner_epoch bigint, up_to bigint, age interval, look integer) returns json
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  state sweep;
  head bigint;
  reach bigint;
  going bigint[] := '{}';
  staying bigint[] := '{}';
  noted bigint[] := '{}';
  readers tid[];
  items tid[];
  last_session bigint;
  deleted json;
begin
  select * into state from sweep w where w.shard_id = shard;
  if state.seen_at <= clock_timestamp() - age then
    state.ripe_pos := state.seen_pos;
  end if;
  select max(x.pos) into reach from (
    select l.pos from log l where l.shard_id = shard and l.pos > state.pos and l.pos <= least(state.ripe_pos, up_to)
    order by l.pos limit look
  ) x;
  if state.shard_id is not null and reach is null and state.ripe_pos < state.seen_pos then
    return sweep_answer(state, age, null);
  end if;
  if reach is not null then
    select array_agg(w.goes) filter (where w.goes is not null), array_agg(w.pos) filter (where w.holder is not null),
      array_agg(w.holder) filter (where w.kind = 4 and w.holder is not null),
      array_agg(w.holder) filter (where w.kind = 20 and w.holder is not null), max(w.goes) filter (where w.kind = 23)
    into going, staying, readers, items, last_session from sweep_walk(shard, state.pos, reach) w;
  end if;

  perform 1 from shard s where s.shard_id = shard and s.epoch = owner_epoch for no key update;
  if not found then
    return json_build_object('kind', 'fenced');
  end if;
  select l.pos into head from log l where l.shard_id = shard order by l.shard_id desc, l.pos desc limit 1;

  with held as (update receipt c set kept_pos = c.pos where c.ctid = any (readers) returning c.pos)
  select noted || array_agg(h.pos) into noted from held h;
  with held as (update account_data d set kept_pos = d.pos where d.ctid = any (items) returning d.pos)
  select noted || array_agg(h.pos) into noted from held h;
  going := going || array(select unnest(staying) except select unnest(noted));
  with gone as (
    delete from log l where l.shard_id = shard and l.pos = any (going) and l.pos < head and l.txn_key is null
      and l.kind in (4, 5, 20, 22, 23, 24)
    returning l.kind
  )
  select json_object_agg(g.kind, g.n) into deleted from (select kind, count(*) as n from gone group by kind) g;

  state.shard_id := shard;
  state.pos := coalesce(reach, state.pos, 0);
  state.session_pos := greatest(state.session_pos, last_session, 0);
  if state.seen_at is null or state.ripe_pos = state.seen_pos then
    state.ripe_pos := coalesce(state.ripe_pos, 0);
    state.seen_pos := coalesce(head, 0);
    state.seen_at := clock_timestamp();
  end if;
  insert into sweep select state.* on conflict (shard_id) do update
  set pos = excluded.pos, ripe_pos = excluded.ripe_pos, seen_pos = excluded.seen_pos, seen_at = excluded.seen_at,
    session_pos = excluded.session_pos;
  return sweep_answer(state, age, deleted);
end $$;
