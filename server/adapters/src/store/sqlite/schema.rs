//! The format of `store.db`. Ids are their 12 bytes; times are milliseconds since 1970; `log_partition` and `log_offset`
//! are the message's place in the log. Add to the end; never change what has been released.

pub(super) const MIGRATIONS: [&str; 2] = [
    "
    CREATE TABLE users (
        seq           INTEGER PRIMARY KEY, -- the order of signing up
        id            BLOB    NOT NULL UNIQUE,
        email         TEXT    NOT NULL COLLATE BINARY UNIQUE,
        name          TEXT    NOT NULL,
        password_hash TEXT    NOT NULL,
        picture       TEXT,
        bio           TEXT    NOT NULL,
        created_at    INTEGER NOT NULL,
        updated_at    INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE messages (
        seq           INTEGER PRIMARY KEY,
        id            BLOB    NOT NULL UNIQUE,
        conversation  TEXT    NOT NULL,
        log_partition INTEGER NOT NULL,
        log_offset    INTEGER NOT NULL,
        sender        BLOB    NOT NULL,
        text          TEXT    NOT NULL,
        picture       TEXT,
        created_at    INTEGER NOT NULL,
        client_id     TEXT,
        members       BLOB    NOT NULL, -- their ids, one after another
        origin_device BLOB              -- NULL: it came by a request
    ) STRICT;
    CREATE INDEX messages_by_conversation ON messages (conversation, log_partition, log_offset);

    -- Which messages a member has got, in log order.
    CREATE TABLE inbox (
        user          BLOB    NOT NULL,
        log_partition INTEGER NOT NULL,
        log_offset    INTEGER NOT NULL,
        message       INTEGER NOT NULL REFERENCES messages (seq),
        PRIMARY KEY (user, log_partition, log_offset, message)
    ) STRICT, WITHOUT ROWID;

    -- The latest direct exchange of each pair, from either side.
    CREATE TABLE partners (
        user          BLOB    NOT NULL,
        partner       BLOB    NOT NULL,
        latest_at     INTEGER NOT NULL,
        log_partition INTEGER NOT NULL,
        log_offset    INTEGER NOT NULL,
        PRIMARY KEY (user, partner)
    ) STRICT, WITHOUT ROWID;

    -- How far the log is in this store.
    CREATE TABLE stored (
        log_partition INTEGER PRIMARY KEY,
        log_offset    INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE group_members (
        group_id BLOB NOT NULL,
        user     BLOB NOT NULL,
        PRIMARY KEY (group_id, user)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE ended_sessions (
        id    BLOB    PRIMARY KEY,
        until INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX ended_sessions_by_end ON ended_sessions (until);
",
    "
    -- Sessions issued up to and including then are over.
    ALTER TABLE users ADD COLUMN sessions_ended_through INTEGER;
",
];
