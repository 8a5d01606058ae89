-- Messages between the processes of a database on which LISTEN cannot be used (`events = "poll"`). They are hints, so they
-- need not survive a crash. As with NOTIFY, all tenants share them; a message has the tenant in its text.
CREATE UNLOGGED TABLE message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The transaction: ids are assigned before the commit, so a reader must not continue from the greatest id.
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    sent timestamptz NOT NULL DEFAULT now(),
    payload text COLLATE "C" NOT NULL
);
CREATE INDEX message_xid ON message (xid);
