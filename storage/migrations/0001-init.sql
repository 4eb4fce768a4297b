-- The first schema. Text that is compared by machines has the C collation, so that an index compares bytes.
-- Columns that hold what a client or a server sent are text, never jsonb: jsonb refuses U+0000 and deep nesting.

-- ---------------------------------------------------------------------------------------------------------------
-- The cluster: who is alive, who owns what
-- ---------------------------------------------------------------------------------------------------------------

create table cluster (
  one               boolean primary key default true check (one),
  incarnation       bigint not null,          -- raised when the database may have lost commits; part of every sync token
  system_identifier text not null,            -- of pg_control_system(), as seen last
  timeline          bigint not null,          -- WAL timeline, as seen last
  shard_count       integer not null,         -- fixed when the database is created
  server_name       text not null             -- fixed when the database is created: it is in every id
);

create table secret (
  name  text collate "C" primary key,         -- 'signing_key', 'token_pepper' …
  value text not null                         -- written once by whoever starts first
);

create table host_lease (
  host_id    bigint primary key,              -- a new random value at every process start, never reused
  name       text not null,                   -- what the operator calls it
  version    text not null,
  roles      text not null,
  draining   boolean not null default false,
  expires_at timestamptz not null             -- database clock only
);

create table shard (
  shard_id integer primary key,
  epoch    bigint not null default 0,         -- the fencing token: only ever grows
  owner    bigint                             -- host_lease.host_id, or null
);

-- One log per shard. Everything durable that a client can later learn by syncing takes the next position of a log,
-- inside the transaction that stores it. The last row of a log is never deleted: it is the sequencer.
create table log (
  shard_id        integer not null,
  pos             bigint not null,
  epoch           bigint not null,            -- of the owner that wrote it
  kind            smallint not null,          -- storage/log-kinds.ts
  room_nid        bigint,                     -- the room whose log this row belongs to
  event_nid       bigint,
  user_id         text collate "C",           -- the one user whom this row concerns (his membership, his own data)
  membership      smallint,                   -- his new membership in the room
  prev_membership smallint,                   -- and the one before
  state_root      bytea,                      -- root of the room's current state after this row
  tips            bigint[],                   -- forward extremities after this row; null: this event alone
  txn_key         bytea,                      -- idempotency: 16 bytes of a hash, unique
  body            text,                       -- JSON, by kind
  user_shards     bigint,                     -- mask: shards of the room's local members
  server_shards   bigint,                     -- mask: shards of the room's servers
  primary key (shard_id, pos)
);
create index log_room on log (room_nid, pos) where room_nid is not null;
create index log_user on log (user_id, shard_id, pos) where user_id is not null;
create unique index log_txn on log (txn_key) where txn_key is not null;

-- What follows from a commit: shard `target` has applied the rows of kind `kind` of shard `source` up to `pos`.
create table cursor (
  kind   text collate "C" not null,
  target integer not null,
  source integer not null,
  pos    bigint not null,
  primary key (kind, target, source)
);

-- ---------------------------------------------------------------------------------------------------------------
-- Rooms
-- ---------------------------------------------------------------------------------------------------------------

create sequence event_number increment by 1000;   -- a host takes a block of a thousand numbers at a time
create sequence room_number;

create table room (
  room_nid   bigint primary key,
  room_id    text collate "C" not null unique,
  version    text not null,
  shard_id   integer not null,
  created_at bigint not null                  -- ms
);

create table event (
  event_nid        bigint primary key,
  event_id         text collate "C" not null unique,
  room_nid         bigint not null,
  type             text collate "C" not null,
  state_key        text collate "C",
  sender           text collate "C" not null,
  origin_server_ts bigint not null,
  json             text not null,             -- canonical JSON as built or as received, without our late signature
  txn              text,                      -- "device txnId" of the local client that sent it
  redacted_by      bigint                     -- event_nid; json then holds the redacted form
);

-- A signature that we add after the event was built. Its absence is the marker that it is still to be made.
create table event_signature (
  event_nid bigint not null,
  key_id    text not null,
  signature text not null,
  primary key (event_nid, key_id)
);

create table state_node (
  room_nid bigint not null,
  id       bytea not null,                    -- 16 bytes of SHA-256 of the node's content
  data     bytea not null,
  primary key (room_nid, id)
);

create table relation (
  room_nid  bigint not null,
  parent_id text collate "C" not null,        -- event id; the parent itself may not be here
  event_nid bigint not null,
  rel_type  text collate "C" not null,
  type      text collate "C" not null,
  sender    text collate "C" not null,
  pos       bigint not null,                  -- of the related event, in the room's shard
  primary key (room_nid, parent_id, event_nid)
);
create index relation_kind on relation (room_nid, rel_type, pos);

create table receipt (
  room_nid     bigint not null,
  user_id      text collate "C" not null,
  receipt_type text collate "C" not null,
  thread_id    text collate "C" not null,     -- '' unthreaded, 'main', or the thread's root
  event_id     text collate "C" not null,
  ts           bigint not null,
  pos          bigint not null,               -- the log row that carries it
  event_pos    bigint not null,               -- position of the event read, for unread counts
  primary key (room_nid, user_id, receipt_type, thread_id)
);

-- ---------------------------------------------------------------------------------------------------------------
-- Users
-- ---------------------------------------------------------------------------------------------------------------

create table account (
  user_id        text collate "C" primary key,
  created_at     bigint not null,
  password_hash  text,
  admin          boolean not null default false,
  deactivated_at bigint,
  erased         boolean not null default false
);

create table device (
  user_id      text collate "C" not null,
  device_id    text collate "C" not null,
  display_name text,
  created_at   bigint not null,
  last_seen_ts bigint,
  last_seen_ip text,
  keys         text,                          -- device keys as uploaded
  dehydrated   boolean not null default false,
  primary key (user_id, device_id)
);

create table access_token (
  token_hash bytea primary key,               -- SHA-256; the token itself is nowhere
  user_id    text collate "C" not null,
  device_id  text collate "C" not null,
  expires_at bigint                           -- ms, null: never
);
create index access_token_device on access_token (user_id, device_id);

create table refresh_token (
  token_hash bytea primary key,
  user_id    text collate "C" not null,
  device_id  text collate "C" not null,
  replaced   boolean not null default false   -- given out again; dies when its successor is used
);
create index refresh_token_device on refresh_token (user_id, device_id);

create table login_token (
  token_hash bytea primary key,
  user_id    text collate "C" not null,
  expires_at bigint not null
);

create table openid_token (
  token_hash bytea primary key,
  user_id    text collate "C" not null,
  expires_at bigint not null
);

create table profile (
  user_id text collate "C" not null,
  key     text collate "C" not null,
  value   text not null,                      -- JSON
  primary key (user_id, key)
);

create table account_data (
  user_id text collate "C" not null,
  room_id text collate "C" not null,          -- '' global
  type    text collate "C" not null,
  content text not null,                      -- JSON
  pos     bigint not null,
  primary key (user_id, room_id, type)
);

create table filter (
  user_id   text collate "C" not null,
  filter_id text collate "C" not null,
  json      text not null,
  primary key (user_id, filter_id)
);

-- Unread counts of a user in a room up to a position: a watermark to count on from, never the truth.
create table unread (
  user_id text collate "C" not null,
  room_id text collate "C" not null,
  pos     bigint not null,
  counts  text not null,                      -- JSON
  primary key (user_id, room_id)
);

create table media (
  media_id     text collate "C" primary key,
  user_id      text collate "C" not null,
  content_type text not null,
  file_name    text,
  size         bigint not null,               -- bytes; -1: reserved, nothing uploaded yet
  sha256       bytea,
  created_at   bigint not null,
  expires_at   bigint                         -- of a reservation
);

-- ---------------------------------------------------------------------------------------------------------------
-- End-to-end encryption
-- ---------------------------------------------------------------------------------------------------------------

create table one_time_key (
  user_id   text collate "C" not null,
  device_id text collate "C" not null,
  algorithm text collate "C" not null,
  key_id    text collate "C" not null,
  json      text not null,
  seq       bigint not null,                  -- order of upload: the oldest is claimed first
  primary key (user_id, device_id, algorithm, key_id)
);

create table fallback_key (
  user_id   text collate "C" not null,
  device_id text collate "C" not null,
  algorithm text collate "C" not null,
  key_id    text collate "C" not null,
  json      text not null,
  used      boolean not null default false,
  primary key (user_id, device_id, algorithm)
);

create table cross_signing_key (
  user_id text collate "C" not null,
  usage   text collate "C" not null,          -- master, self_signing, user_signing
  json    text not null,
  primary key (user_id, usage)
);

-- A signature that `signer_id` uploaded: over his own keys, or over another user's master key (seen by him alone).
create table key_signature (
  signer_id     text collate "C" not null,
  target_user   text collate "C" not null,
  target_key    text collate "C" not null,    -- device id, or the public part of a cross-signing key
  signer_key_id text collate "C" not null,
  signature     text not null,
  primary key (signer_id, target_user, target_key, signer_key_id)
);
create index key_signature_target on key_signature (target_user);

create table to_device (
  user_id   text collate "C" not null,
  device_id text collate "C" not null,
  pos       bigint not null,                  -- in the log of the user's shard
  sub       integer not null default 0,       -- several devices or messages of one log row
  message   text not null,                    -- {"content":…,"sender":…,"type":…}
  primary key (user_id, device_id, pos, sub)
);

create table key_backup (
  user_id   text collate "C" not null,
  version   bigint not null,
  algorithm text not null,
  auth_data text not null,
  etag      bigint not null,
  deleted   boolean not null default false,
  primary key (user_id, version)
);

create table key_backup_key (
  user_id             text collate "C" not null,
  version             bigint not null,
  room_id             text collate "C" not null,
  session_id          text collate "C" not null,
  first_message_index bigint not null,
  forwarded_count     bigint not null,
  is_verified         boolean not null,
  session_data        text not null,
  primary key (user_id, version, room_id, session_id)
);
