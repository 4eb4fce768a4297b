-- The last moves of each shard, for operators: nothing is decided by them. A row is begun when an owner gives the shard up, and
-- completed by whoever claims it under that epoch. Names stay here, for hosts are forgotten.
create table shard_move (
  shard_id    integer not null,
  epoch       bigint not null,
  from_host   bigint,
  from_name   text,
  to_host     bigint,
  to_name     text,
  why         text not null,
  moved_at    timestamptz,
  primary key (shard_id, epoch)
);
