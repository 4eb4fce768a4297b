-- As before, but the lock of a host is tried together with others: when a host has died all look at the same moment, and none may take another
-- looker for the host. A living host holds its lock alone, so that no looker gets it.
create or replace function host_is_dead(host bigint) returns boolean language plpgsql as $$
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
end $$;
