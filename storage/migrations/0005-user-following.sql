-- What has still to be told to rooms after a user's change (kinds userDevices and profile), found without reading a whole log.
create index log_following on log (shard_id, kind, pos) where kind in (22, 24);

-- A signature over a device that is gone must not appear on the next device of that name.
create or replace function apply_key_signature(rows json) returns void language plpgsql as $$
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
end $$;

-- The cross-signing keys of an account that is closed are deleted.
create or replace function apply_cross_signing_key(rows json) returns void language plpgsql as $$
begin
  delete from cross_signing_key t using json_to_recordset(rows) as r(user_id text, usage text, deleted boolean)
  where r.deleted and t.user_id = r.user_id and t.usage = r.usage;
  insert into cross_signing_key (user_id, usage, json)
  select r.user_id, r.usage, r.json
  from json_to_recordset(rows) as r(user_id text, usage text, json text, deleted boolean)
  where r.deleted is not true
  on conflict (user_id, usage) do update set json = excluded.json;
end $$;

-- Media ids that a user has reserved and not used yet.
create index media_pending on media (user_id) where size < 0;
