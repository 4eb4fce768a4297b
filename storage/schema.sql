-- What the migrations make, written by dump-schema.ts. Do not edit.

create sequence event_number increment by 1000;

create sequence room_number increment by 1;

create table access_token (
  token_hash bytea not null,
  user_id text collate "C" not null,
  device_id text collate "C" not null,
  expires_at bigint,
  PRIMARY KEY (token_hash)
);
CREATE INDEX access_token_device ON access_token USING btree (user_id, device_id);

create table account (
  user_id text collate "C" not null,
  created_at bigint not null,
  password_hash text,
  admin boolean not null default false,
  deactivated_at bigint,
  erased boolean not null default false,
  PRIMARY KEY (user_id)
);

create table account_data (
  user_id text collate "C" not null,
  room_id text collate "C" not null,
  type text collate "C" not null,
  content text not null,
  pos bigint not null,
  kept_pos bigint,
  PRIMARY KEY (user_id, room_id, type)
);

create table claimed_key (
  user_id text collate "C" not null,
  device_id text collate "C" not null,
  algorithm text collate "C" not null,
  key_id text collate "C" not null,
  json text not null,
  claimed_at bigint not null,
  PRIMARY KEY (user_id, device_id, algorithm, key_id)
);
CREATE INDEX claimed_key_age ON claimed_key USING btree (claimed_at);

create table cluster (
  one boolean not null default true,
  incarnation bigint not null,
  system_identifier text not null,
  timeline bigint not null,
  shard_count integer not null,
  server_name text not null,
  PRIMARY KEY (one),
  CHECK (one)
);

create table cross_signing_key (
  user_id text collate "C" not null,
  usage text collate "C" not null,
  json text not null,
  PRIMARY KEY (user_id, usage)
);

create table cursor (
  kind text collate "C" not null,
  target integer not null,
  source integer not null,
  pos bigint not null,
  PRIMARY KEY (kind, target, source)
);

create table device (
  user_id text collate "C" not null,
  device_id text collate "C" not null,
  display_name text,
  created_at bigint not null,
  last_seen_ts bigint,
  last_seen_ip text,
  keys text,
  dehydrated boolean not null default false,
  PRIMARY KEY (user_id, device_id)
);

create table event (
  event_nid bigint not null,
  event_id text collate "C" not null,
  room_nid bigint not null,
  type text collate "C" not null,
  state_key text collate "C",
  sender text collate "C" not null,
  origin_server_ts bigint not null,
  json text not null,
  txn text,
  redacted_by bigint,
  pos bigint,
  UNIQUE (event_id),
  PRIMARY KEY (event_nid)
);
CREATE INDEX event_visibility ON event USING btree (room_nid) WHERE (type = 'm.room.history_visibility'::text);

create table event_signature (
  event_nid bigint not null,
  key_id text not null,
  signature text not null,
  PRIMARY KEY (event_nid, key_id)
);

create table fallback_key (
  user_id text collate "C" not null,
  device_id text collate "C" not null,
  algorithm text collate "C" not null,
  key_id text collate "C" not null,
  json text not null,
  used boolean not null default false,
  PRIMARY KEY (user_id, device_id, algorithm)
);

create table filter (
  user_id text collate "C" not null,
  filter_id text collate "C" not null,
  json text not null,
  PRIMARY KEY (user_id, filter_id)
);

create table host_lease (
  host_id bigint not null,
  name text not null,
  version text not null,
  roles text not null,
  draining boolean not null default false,
  expires_at timestamp with time zone not null,
  weight integer,
  condition text,
  PRIMARY KEY (host_id),
  CHECK ((weight > 0))
);

create table key_backup (
  user_id text collate "C" not null,
  version bigint not null,
  algorithm text not null,
  auth_data text not null,
  etag bigint not null,
  deleted boolean not null default false,
  PRIMARY KEY (user_id, version)
);

create table key_backup_key (
  user_id text collate "C" not null,
  version bigint not null,
  room_id text collate "C" not null,
  session_id text collate "C" not null,
  first_message_index bigint not null,
  forwarded_count bigint not null,
  is_verified boolean not null,
  session_data text not null,
  PRIMARY KEY (user_id, version, room_id, session_id)
);

create table key_signature (
  signer_id text collate "C" not null,
  target_user text collate "C" not null,
  target_key text collate "C" not null,
  signer_key_id text collate "C" not null,
  signature text not null,
  PRIMARY KEY (signer_id, target_user, target_key, signer_key_id)
);
CREATE INDEX key_signature_target ON key_signature USING btree (target_user);

create table log (
  shard_id integer not null,
  pos bigint not null,
  epoch bigint not null,
  kind smallint not null,
  room_nid bigint,
  event_nid bigint,
  user_id text collate "C",
  membership smallint,
  prev_membership smallint,
  state_root bytea,
  tips bigint[],
  txn_key bytea,
  body text,
  user_shards bigint,
  server_shards bigint,
  PRIMARY KEY (shard_id, pos)
);
CREATE INDEX log_following ON log USING btree (shard_id, kind, pos) WHERE (kind = ANY (ARRAY[22, 24]));
CREATE INDEX log_member ON log USING btree (room_nid, user_id, pos) WHERE (membership IS NOT NULL);
CREATE INDEX log_repeated ON log USING btree (kind, COALESCE(user_id, (room_nid)::text), hashtextextended(body, (0)::bigint)) WHERE (kind = ANY (ARRAY[5, 22, 24]));
CREATE INDEX log_room ON log USING btree (room_nid, pos) WHERE (room_nid IS NOT NULL);
CREATE INDEX log_session ON log USING btree (shard_id, pos) WHERE (kind = 23);
CREATE UNIQUE INDEX log_txn ON log USING btree (txn_key) WHERE (txn_key IS NOT NULL);
CREATE INDEX log_user ON log USING btree (user_id, shard_id, pos) WHERE (user_id IS NOT NULL);

create table login_token (
  token_hash bytea not null,
  user_id text collate "C" not null,
  expires_at bigint not null,
  PRIMARY KEY (token_hash)
);
CREATE INDEX login_token_expiry ON login_token USING btree (expires_at);

create table media (
  media_id text collate "C" not null,
  user_id text collate "C" not null,
  content_type text not null,
  file_name text,
  size bigint not null,
  sha256 bytea,
  created_at bigint not null,
  expires_at bigint,
  PRIMARY KEY (media_id)
);
CREATE INDEX media_pending ON media USING btree (user_id) WHERE (size < 0);

create table migration (
  id integer not null,
  name text not null,
  breaking boolean not null,
  applied_at timestamp with time zone not null default now(),
  PRIMARY KEY (id)
);

create table one_time_key (
  user_id text collate "C" not null,
  device_id text collate "C" not null,
  algorithm text collate "C" not null,
  key_id text collate "C" not null,
  json text not null,
  seq bigint not null,
  PRIMARY KEY (user_id, device_id, algorithm, key_id)
);

create table openid_token (
  token_hash bytea not null,
  user_id text collate "C" not null,
  expires_at bigint not null,
  PRIMARY KEY (token_hash)
);
CREATE INDEX openid_token_expiry ON openid_token USING btree (expires_at);

create table profile (
  user_id text collate "C" not null,
  key text collate "C" not null,
  value text not null,
  PRIMARY KEY (user_id, key)
);

create table receipt (
  room_nid bigint not null,
  user_id text collate "C" not null,
  receipt_type text collate "C" not null,
  thread_id text collate "C" not null,
  event_id text collate "C" not null,
  ts bigint not null,
  pos bigint not null,
  event_pos bigint not null,
  kept_pos bigint,
  PRIMARY KEY (room_nid, user_id, receipt_type, thread_id)
);

create table refresh_token (
  token_hash bytea not null,
  user_id text collate "C" not null,
  device_id text collate "C" not null,
  replaced boolean not null default false,
  PRIMARY KEY (token_hash)
);
CREATE INDEX refresh_token_device ON refresh_token USING btree (user_id, device_id);

create table relation (
  room_nid bigint not null,
  parent_id text collate "C" not null,
  event_nid bigint not null,
  rel_type text collate "C" not null,
  type text collate "C" not null,
  sender text collate "C" not null,
  pos bigint not null,
  PRIMARY KEY (room_nid, parent_id, event_nid)
);
CREATE INDEX relation_kind ON relation USING btree (room_nid, rel_type, pos);

create table room (
  room_nid bigint not null,
  room_id text collate "C" not null,
  version text not null,
  shard_id integer not null,
  created_at bigint not null,
  UNIQUE (room_id),
  PRIMARY KEY (room_nid)
);

create table secret (
  name text collate "C" not null,
  value text not null,
  PRIMARY KEY (name)
);

create table shard (
  shard_id integer not null,
  epoch bigint not null default 0,
  owner bigint,
  PRIMARY KEY (shard_id)
);

create table shard_move (
  shard_id integer not null,
  epoch bigint not null,
  from_host bigint,
  from_name text,
  to_host bigint,
  to_name text,
  why text not null,
  moved_at timestamp with time zone,
  PRIMARY KEY (shard_id, epoch)
);

create table state_node (
  room_nid bigint not null,
  id bytea not null,
  data bytea not null,
  PRIMARY KEY (room_nid, id)
);

create table sweep (
  shard_id integer not null,
  pos bigint not null,
  ripe_pos bigint not null,
  seen_pos bigint not null,
  seen_at timestamp with time zone not null,
  session_pos bigint not null default 0,
  PRIMARY KEY (shard_id)
);

create table to_device (
  user_id text collate "C" not null,
  device_id text collate "C" not null,
  pos bigint not null,
  sub integer not null default 0,
  message text not null,
  PRIMARY KEY (user_id, device_id, pos, sub)
);

create table unread (
  user_id text collate "C" not null,
  room_id text collate "C" not null,
  pos bigint not null,
  counts text not null,
  PRIMARY KEY (user_id, room_id)
);

CREATE OR REPLACE FUNCTION account_data_key(body text, OUT room_id text, OUT type text)
 RETURNS record
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select case when right(body, 2) = '}}' then '' when r.part not like '%\\u%' then r.part::json #>> '{}' end,
    case when t.part not like '%\\u%' then t.part::json #>> '{}' end
  from substring(left(body, 2000) from '^\{"type":("(?:[^"\\]|\\.)*"),"content":\{') as t(part),
    substring(right(body, 2000) from ',"roomId":("(?:[^"\\]|\\.)*")\}$') as r(part)
$function$;

CREATE OR REPLACE FUNCTION apply_access_token(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  delete from access_token t using json_to_recordset(rows) as r(token_hash text, deleted boolean)
  where r.deleted and t.token_hash = decode(r.token_hash, 'base64');
  insert into access_token (token_hash, user_id, device_id, expires_at)
  select decode(r.token_hash, 'base64'), r.user_id, r.device_id, r.expires_at
  from json_to_recordset(rows) as r(token_hash text, user_id text, device_id text, expires_at bigint, deleted boolean)
  where r.deleted is not true
  on conflict (token_hash) do update
  set user_id = excluded.user_id, device_id = excluded.device_id, expires_at = excluded.expires_at;
end $function$;

CREATE OR REPLACE FUNCTION apply_account(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into account (user_id, created_at, password_hash, admin, deactivated_at, erased)
  select r.user_id, r.created_at, r.password_hash, r.admin, r.deactivated_at, r.erased
  from json_to_recordset(rows) as r(user_id text, created_at bigint, password_hash text, admin boolean,
    deactivated_at bigint, erased boolean)
  on conflict (user_id) do update
  set created_at = excluded.created_at, password_hash = excluded.password_hash, admin = excluded.admin,
    deactivated_at = excluded.deactivated_at, erased = excluded.erased;
end $function$;

CREATE OR REPLACE FUNCTION apply_account_data(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  delete from account_data t using json_to_recordset(rows) as r(user_id text, room_id text, type text,
    deleted boolean)
  where r.deleted and t.user_id = r.user_id and t.room_id = r.room_id and t.type = r.type;
  insert into account_data (user_id, room_id, type, content, pos)
  select r.user_id, r.room_id, r.type, r.content, r.pos
  from json_to_recordset(rows) as r(user_id text, room_id text, type text, content text, pos bigint, deleted boolean)
  where r.deleted is not true
  on conflict (user_id, room_id, type) do update
  set content = excluded.content, pos = excluded.pos;
end $function$;

CREATE OR REPLACE FUNCTION apply_cross_signing_key(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  delete from cross_signing_key t using json_to_recordset(rows) as r(user_id text, usage text, deleted boolean)
  where r.deleted and t.user_id = r.user_id and t.usage = r.usage;
  insert into cross_signing_key (user_id, usage, json)
  select r.user_id, r.usage, r.json
  from json_to_recordset(rows) as r(user_id text, usage text, json text, deleted boolean)
  where r.deleted is not true
  on conflict (user_id, usage) do update set json = excluded.json;
end $function$;

CREATE OR REPLACE FUNCTION apply_cursor(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into cursor (kind, target, source, pos)
  select r.kind, r.target, r.source, r.pos
  from json_to_recordset(rows) as r(kind text, target integer, source integer, pos bigint)
  on conflict (kind, target, source) do update set pos = excluded.pos;
end $function$;

CREATE OR REPLACE FUNCTION apply_device(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  d json;
begin
  for d in select value from json_array_elements(rows) loop
    if (d->>'deleted')::boolean then
      delete from device where user_id = d->>'user_id' and device_id = d->>'device_id';
      continue;
    end if;
    update device t set
      display_name = case when d->'display_name' is null then t.display_name else d->>'display_name' end,
      created_at = coalesce((d->>'created_at')::bigint, t.created_at),
      last_seen_ts = case when d->'last_seen_ts' is null then t.last_seen_ts else (d->>'last_seen_ts')::bigint end,
      last_seen_ip = case when d->'last_seen_ip' is null then t.last_seen_ip else d->>'last_seen_ip' end,
      keys = case when d->'keys' is null then t.keys else d->>'keys' end,
      dehydrated = coalesce((d->>'dehydrated')::boolean, t.dehydrated)
    where user_id = d->>'user_id' and device_id = d->>'device_id';
    if not found and d->>'created_at' is not null then
      insert into device (user_id, device_id, display_name, created_at, last_seen_ts, last_seen_ip, keys, dehydrated)
      values (d->>'user_id', d->>'device_id', d->>'display_name', (d->>'created_at')::bigint,
        (d->>'last_seen_ts')::bigint, d->>'last_seen_ip', d->>'keys', coalesce((d->>'dehydrated')::boolean, false));
    end if;
  end loop;
end $function$;

CREATE OR REPLACE FUNCTION apply_device_removal(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION apply_event(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into event (event_nid, event_id, room_nid, type, state_key, sender, origin_server_ts, json, txn, pos)
  select r.event_nid, r.event_id, r.room_nid, r.type, r.state_key, r.sender, r.origin_server_ts, r.json, r.txn, r.pos
  from json_to_recordset(rows) as r(event_nid bigint, event_id text, room_nid bigint, type text, state_key text,
    sender text, origin_server_ts bigint, json text, txn text, pos bigint)
  -- An event that was stored before it had a place, as staged ones are, gets it now.
  on conflict (event_nid) do update set pos = excluded.pos where event.pos is null and excluded.pos is not null;
end $function$;

CREATE OR REPLACE FUNCTION apply_event_redaction(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  update event t set redacted_by = r.redacted_by, json = r.json
  from json_to_recordset(rows) as r(event_nid bigint, redacted_by bigint, json text)
  where t.event_nid = r.event_nid;
end $function$;

CREATE OR REPLACE FUNCTION apply_event_signature(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into event_signature (event_nid, key_id, signature)
  select r.event_nid, r.key_id, r.signature
  from json_to_recordset(rows) as r(event_nid bigint, key_id text, signature text)
  on conflict (event_nid, key_id) do nothing;
end $function$;

CREATE OR REPLACE FUNCTION apply_fallback_key(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into fallback_key (user_id, device_id, algorithm, key_id, json, used)
  select r.user_id, r.device_id, r.algorithm, r.key_id, r.json, r.used
  from json_to_recordset(rows) as r(user_id text, device_id text, algorithm text, key_id text, json text,
    used boolean)
  on conflict (user_id, device_id, algorithm) do update
  set key_id = excluded.key_id, json = excluded.json, used = excluded.used;
end $function$;

CREATE OR REPLACE FUNCTION apply_filter(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into filter (user_id, filter_id, json)
  select r.user_id, r.filter_id, r.json
  from json_to_recordset(rows) as r(user_id text, filter_id text, json text)
  on conflict (user_id, filter_id) do update set json = excluded.json;
end $function$;

CREATE OR REPLACE FUNCTION apply_key_backup(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into key_backup (user_id, version, algorithm, auth_data, etag, deleted)
  select r.user_id, r.version, r.algorithm, r.auth_data, r.etag, r.deleted
  from json_to_recordset(rows) as r(user_id text, version bigint, algorithm text, auth_data text, etag bigint,
    deleted boolean)
  on conflict (user_id, version) do update
  set algorithm = excluded.algorithm, auth_data = excluded.auth_data, etag = excluded.etag, deleted =
    excluded.deleted;
end $function$;

CREATE OR REPLACE FUNCTION apply_key_backup_key(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  delete from key_backup_key t using json_to_recordset(rows) as r(user_id text, version bigint, room_id text,
    session_id text, deleted boolean)
  where r.deleted and t.user_id = r.user_id and t.version = r.version and t.room_id = r.room_id and t.session_id =
    r.session_id;
  insert into key_backup_key (user_id, version, room_id, session_id, first_message_index, forwarded_count,
    is_verified, session_data)
  select r.user_id, r.version, r.room_id, r.session_id, r.first_message_index, r.forwarded_count, r.is_verified,
    r.session_data
  from json_to_recordset(rows) as r(user_id text, version bigint, room_id text, session_id text,
    first_message_index bigint, forwarded_count bigint, is_verified boolean, session_data text, deleted boolean)
  where r.deleted is not true
  on conflict (user_id, version, room_id, session_id) do update
  set first_message_index = excluded.first_message_index, forwarded_count = excluded.forwarded_count, is_verified
    = excluded.is_verified, session_data = excluded.session_data;
end $function$;

CREATE OR REPLACE FUNCTION apply_key_backup_removal(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  delete from key_backup_key t using json_to_recordset(rows) as r(user_id text, version bigint, room_id text)
  where t.user_id = r.user_id and t.version = r.version and (r.room_id is null or t.room_id = r.room_id);
end $function$;

CREATE OR REPLACE FUNCTION apply_key_signature(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  delete from key_signature t using json_to_recordset(rows) as r(signer_id text, target_user text, target_key text,
    signer_key_id text, deleted boolean)
  where r.deleted and t.signer_id = r.signer_id and t.target_user = r.target_user and t.target_key = r.target_key and
    t.signer_key_id = r.signer_key_id;
  insert into key_signature (signer_id, target_user, target_key, signer_key_id, signature)
  select r.signer_id, r.target_user, r.target_key, r.signer_key_id, r.signature
  from json_to_recordset(rows) as r(signer_id text, target_user text, target_key text, signer_key_id text,
    signature text, deleted boolean)
  where r.deleted is not true
  on conflict (signer_id, target_user, target_key, signer_key_id) do update set signature = excluded.signature;
end $function$;

CREATE OR REPLACE FUNCTION apply_login_token(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  delete from login_token t using json_to_recordset(rows) as r(token_hash text, deleted boolean)
  where r.deleted and t.token_hash = decode(r.token_hash, 'base64');
  insert into login_token (token_hash, user_id, expires_at)
  select decode(r.token_hash, 'base64'), r.user_id, r.expires_at
  from json_to_recordset(rows) as r(token_hash text, user_id text, expires_at bigint, deleted boolean)
  where r.deleted is not true
  on conflict (token_hash) do update
  set user_id = excluded.user_id, expires_at = excluded.expires_at;
end $function$;

CREATE OR REPLACE FUNCTION apply_media(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into media (media_id, user_id, content_type, file_name, size, sha256, created_at, expires_at)
  select r.media_id, r.user_id, r.content_type, r.file_name, r.size, decode(r.sha256, 'base64'), r.created_at,
    r.expires_at
  from json_to_recordset(rows) as r(media_id text, user_id text, content_type text, file_name text, size bigint,
    sha256 text, created_at bigint, expires_at bigint)
  on conflict (media_id) do update
  set user_id = excluded.user_id, content_type = excluded.content_type, file_name = excluded.file_name, size =
    excluded.size, sha256 = excluded.sha256, created_at = excluded.created_at, expires_at = excluded.expires_at;
end $function$;

CREATE OR REPLACE FUNCTION apply_one_time_key(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION apply_openid_token(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into openid_token (token_hash, user_id, expires_at)
  select decode(r.token_hash, 'base64'), r.user_id, r.expires_at
  from json_to_recordset(rows) as r(token_hash text, user_id text, expires_at bigint)
  on conflict (token_hash) do update
  set user_id = excluded.user_id, expires_at = excluded.expires_at;
end $function$;

CREATE OR REPLACE FUNCTION apply_profile(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  delete from profile t using json_to_recordset(rows) as r(user_id text, key text, deleted boolean)
  where r.deleted and t.user_id = r.user_id and t.key = r.key;
  insert into profile (user_id, key, value)
  select r.user_id, r.key, r.value
  from json_to_recordset(rows) as r(user_id text, key text, value text, deleted boolean)
  where r.deleted is not true
  on conflict (user_id, key) do update set value = excluded.value;
end $function$;

CREATE OR REPLACE FUNCTION apply_receipt(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into receipt (room_nid, user_id, receipt_type, thread_id, event_id, ts, pos, event_pos)
  select r.room_nid, r.user_id, r.receipt_type, r.thread_id, r.event_id, r.ts, r.pos, r.event_pos
  from json_to_recordset(rows) as r(room_nid bigint, user_id text, receipt_type text, thread_id text,
    event_id text, ts bigint, pos bigint, event_pos bigint)
  on conflict (room_nid, user_id, receipt_type, thread_id) do update
  set event_id = excluded.event_id, ts = excluded.ts, pos = excluded.pos, event_pos = excluded.event_pos;
end $function$;

CREATE OR REPLACE FUNCTION apply_refresh_token(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  delete from refresh_token t using json_to_recordset(rows) as r(token_hash text, deleted boolean)
  where r.deleted and t.token_hash = decode(r.token_hash, 'base64');
  insert into refresh_token (token_hash, user_id, device_id, replaced)
  select decode(r.token_hash, 'base64'), r.user_id, r.device_id, r.replaced
  from json_to_recordset(rows) as r(token_hash text, user_id text, device_id text, replaced boolean, deleted boolean)
  where r.deleted is not true
  on conflict (token_hash) do update
  set user_id = excluded.user_id, device_id = excluded.device_id, replaced = excluded.replaced;
end $function$;

CREATE OR REPLACE FUNCTION apply_relation(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into relation (room_nid, parent_id, event_nid, rel_type, type, sender, pos)
  select r.room_nid, r.parent_id, r.event_nid, r.rel_type, r.type, r.sender, r.pos
  from json_to_recordset(rows) as r(room_nid bigint, parent_id text, event_nid bigint, rel_type text, type text,
    sender text, pos bigint)
  on conflict (room_nid, parent_id, event_nid) do nothing;
end $function$;

CREATE OR REPLACE FUNCTION apply_relation_removal(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  delete from relation t using json_to_recordset(rows) as r(room_nid bigint, event_nid bigint)
  where t.room_nid = r.room_nid and t.event_nid = r.event_nid;
end $function$;

CREATE OR REPLACE FUNCTION apply_room(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into room (room_nid, room_id, version, shard_id, created_at)
  select r.room_nid, r.room_id, r.version, r.shard_id, r.created_at
  from json_to_recordset(rows) as r(room_nid bigint, room_id text, version text, shard_id integer, created_at bigint)
  on conflict (room_nid) do nothing;
end $function$;

CREATE OR REPLACE FUNCTION apply_state_node(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into state_node (room_nid, id, data)
  select r.room_nid, decode(r.id, 'base64'), decode(r.data, 'base64')
  from json_to_recordset(rows) as r(room_nid bigint, id text, data text)
  on conflict (room_nid, id) do nothing;
end $function$;

CREATE OR REPLACE FUNCTION apply_to_device(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into to_device (user_id, device_id, pos, sub, message)
  select r.user_id, r.device_id, r.pos, r.sub, r.message
  from json_to_recordset(rows) as r(user_id text, device_id text, pos bigint, sub integer, message text)
  on conflict (user_id, device_id, pos, sub) do nothing;
end $function$;

CREATE OR REPLACE FUNCTION apply_to_device_ack(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  delete from to_device t using json_to_recordset(rows) as r(user_id text, device_id text, pos bigint)
  where t.user_id = r.user_id and t.device_id = r.device_id and t.pos <= r.pos;
end $function$;

CREATE OR REPLACE FUNCTION apply_unread(rows json)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  delete from unread t using json_to_recordset(rows) as r(user_id text, room_id text, deleted boolean)
  where r.deleted and t.user_id = r.user_id and t.room_id = r.room_id;
  insert into unread (user_id, room_id, pos, counts)
  select r.user_id, r.room_id, r.pos, r.counts
  from json_to_recordset(rows) as r(user_id text, room_id text, pos bigint, counts text, deleted boolean)
  where r.deleted is not true
  on conflict (user_id, room_id) do update
  set pos = excluded.pos, counts = excluded.counts;
end $function$;

CREATE OR REPLACE FUNCTION commit_group(shards json, log json, kinds text[], VARIADIC runs json[])
 RETURNS json
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
#variable_conflict use_column
declare
  part record;
  head record;
  run json;
  refused integer[] := '{}';
  landed integer := 0;
  fresh integer := 0;
  keys text[];
begin
  for part in select * from json_to_recordset(shards) as x(s integer, e bigint) loop
    perform 1 from shard where shard_id = part.s and epoch = part.e for no key update;
    if not found then
      refused := refused || part.s;
    end if;
  end loop;
  if refused <> '{}' then
    return json_build_object('kind', 'fenced', 'shards', refused);
  end if;

  for part in select * from json_to_recordset(shards) as x(s integer, e bigint, p bigint, n integer) loop
    select t.pos, t.epoch into head from log t where t.shard_id = part.s
      order by t.shard_id desc, t.pos desc limit 1;
    if coalesce(head.pos, 0) < part.p then
      refused := refused || part.s;
    elsif coalesce(head.pos, 0) = part.p then
      if part.n > 0 then
        fresh := fresh + 1;
      end if;
    elsif part.n = 0 then
      -- Nothing of this part is in the log, so its owner stands elsewhere than it believes.
      raise exception 'shard % stands at %, its owner believes %', part.s, head.pos, part.p;
    else
      -- Only we write under our epoch. The first row decides: no other row of ours can stand there.
      perform 1 from log t where t.shard_id = part.s and t.pos = part.p + 1 and t.epoch = part.e;
      if not found or head.pos <> part.p + part.n then
        raise exception 'shard % has at % what its owner did not write', part.s, part.p + 1;
      end if;
      landed := landed + 1;
    end if;
  end loop;
  if refused <> '{}' then
    return json_build_object('kind', 'behind', 'shards', refused);
  end if;
  if landed > 0 then
    if fresh > 0 then
      raise exception 'a part of the group had landed and another had not: the group was changed';
    end if;
    return json_build_object('kind', 'landed');
  end if;

  select array_agg(encode(t.txn_key, 'hex')) into keys
  from json_to_recordset(shards) as x(x bytea[]), unnest(x.x) as k
    join log t on t.txn_key = k and t.txn_key is not null;
  if keys is not null then
    return json_build_object('kind', 'seen', 'keys', keys);
  end if;

  insert into log select * from json_populate_recordset(null::log, log);

  for i in 1 .. cardinality(kinds) loop
    run := runs[i];
    -- A static call has its plan kept; the frequent kinds have one.
    case kinds[i]
      when 'event' then perform apply_event(run);
      when 'relation' then perform apply_relation(run);
      when 'receipt' then perform apply_receipt(run);
      when 'state_node' then perform apply_state_node(run);
      when 'to_device' then perform apply_to_device(run);
      when 'account_data' then perform apply_account_data(run);
      else
        if kinds[i] !~ '^[a-z_]+$' then
          raise exception 'no kind of row is called %', kinds[i];
        end if;
        execute 'select apply_' || kinds[i] || '($1)' using run;
    end case;
  end loop;
  return json_build_object('kind', 'committed');
end $function$;

CREATE OR REPLACE FUNCTION database_timeline()
 RETURNS bigint
 LANGUAGE sql
AS $function$
  select ('x' || lpad(left(pg_walfile_name(pg_current_wal_lsn()), 8), 16, '0'))::bit(64)::bigint
$function$;

CREATE OR REPLACE FUNCTION host_is_dead(host bigint)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
begin
  perform 1 from host_lease where host_id = host and expires_at > clock_timestamp();
  if not found then
    return true;
  end if;
  if now() - pg_postmaster_start_time() > interval '5 s' and pg_try_advisory_lock_shared(host) then
    perform pg_advisory_unlock_shared(host);
    return true;
  end if;
  return false;
end $function$;

CREATE OR REPLACE FUNCTION sweep_answer(state sweep, age interval, deleted json)
 RETURNS json
 LANGUAGE sql
AS $function$
  select json_build_object('kind', 'done', 'deleted', coalesce(deleted, '{}'), 'wait', case
    when state.pos < state.ripe_pos then 0
    when state.pos < state.seen_pos then
      greatest(0, ceil(extract(epoch from state.seen_at + age - clock_timestamp()) * 1000))
  end)
$function$;

CREATE OR REPLACE FUNCTION sweep_log(shard integer, owner_epoch bigint, up_to bigint, age interval, look integer)
 RETURNS json
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION sweep_walk(shard integer, after bigint, up_to bigint)
 RETURNS TABLE(pos bigint, kind smallint, goes bigint, holder tid)
 LANGUAGE sql
 STABLE
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
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
$function$;
