-- One-time keys that were given out, for a day. An upload is repeated when its answer was lost, and must not bring back what somebody has got
-- meanwhile. They lie apart, so that no version that does not know of them gives one out.
create table claimed_key (
  user_id text collate "C" not null,
  device_id text collate "C" not null,
  algorithm text collate "C" not null,
  key_id text collate "C" not null,
  json text not null,
  -- Epoch milliseconds by the database's clock.
  claimed_at bigint not null,
  primary key (user_id, device_id, algorithm, key_id)
);
create index claimed_key_age on claimed_key (claimed_at);

create or replace function apply_one_time_key(rows json) returns void language plpgsql as $$
begin
  with gone as (
    delete from one_time_key t using json_to_recordset(rows) as r(user_id text, device_id text, algorithm text,
      key_id text, deleted boolean)
    where r.deleted and t.user_id = r.user_id and t.device_id = r.device_id and t.algorithm = r.algorithm and
      t.key_id = r.key_id
    returning t.user_id, t.device_id, t.algorithm, t.key_id, t.json
  )
  insert into claimed_key (user_id, device_id, algorithm, key_id, json, claimed_at)
  select g.user_id, g.device_id, g.algorithm, g.key_id, g.json, extract(epoch from clock_timestamp()) * 1000 from gone g
  on conflict (user_id, device_id, algorithm, key_id) do update
  set json = excluded.json, claimed_at = excluded.claimed_at;
  insert into one_time_key (user_id, device_id, algorithm, key_id, json, seq)
  select r.user_id, r.device_id, r.algorithm, r.key_id, r.json, r.seq
  from json_to_recordset(rows) as r(user_id text, device_id text, algorithm text, key_id text, json text,
    seq bigint, deleted boolean)
  where r.deleted is not true
  on conflict (user_id, device_id, algorithm, key_id) do update
  set json = excluded.json, seq = excluded.seq;
end $$;

create or replace function apply_device_removal(rows json) returns void language plpgsql as $$
declare
  r record;
begin
  for r in select * from json_to_recordset(rows) as x(user_id text, device_id text) loop
    delete from access_token where user_id = r.user_id and device_id = r.device_id;
    delete from refresh_token where user_id = r.user_id and device_id = r.device_id;
    delete from one_time_key where user_id = r.user_id and device_id = r.device_id;
    delete from claimed_key where user_id = r.user_id and device_id = r.device_id;
    delete from fallback_key where user_id = r.user_id and device_id = r.device_id;
    delete from to_device where user_id = r.user_id and device_id = r.device_id;
  end loop;
end $$;
