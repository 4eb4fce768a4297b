-- How many shards a host should own in proportion to the others. Null: the host runs a version that does not know weights; while there is
-- such a host all shares are equal.
alter table host_lease add column weight integer check (weight > 0);
