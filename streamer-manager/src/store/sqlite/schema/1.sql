-- Times are milliseconds of Unix time. JSON is kept as text.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The configuration in force.
CREATE TABLE entities (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- Its history; the newest version is the one in force.
CREATE TABLE revisions (
    version INTEGER PRIMARY KEY,
    at_unix_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    summary TEXT NOT NULL,
    changed INTEGER NOT NULL
) STRICT;

CREATE TABLE changes (
    version INTEGER NOT NULL REFERENCES revisions (version) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    before TEXT,
    after TEXT,
    PRIMARY KEY (version, kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    name TEXT PRIMARY KEY COLLATE NOCASE,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    disabled INTEGER NOT NULL,
    created_unix_ms INTEGER NOT NULL,
    changed_unix_ms INTEGER NOT NULL,
    last_login_unix_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    name TEXT PRIMARY KEY COLLATE NOCASE,
    hash BLOB NOT NULL UNIQUE,
    role TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_unix_ms INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_unix_ms INTEGER,
    last_used_unix_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    hash BLOB PRIMARY KEY,
    user TEXT NOT NULL COLLATE NOCASE REFERENCES users (name) ON DELETE CASCADE,
    created_unix_ms INTEGER NOT NULL,
    last_used_unix_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_user ON sessions (user, created_unix_ms);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_unix_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    address TEXT,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE INDEX audit_by_outcome ON audit (outcome, id);

-- The queue of webhooks, and their log.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook TEXT NOT NULL,
    event_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    at_unix_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_unix_ms INTEGER NOT NULL,
    last_status INTEGER,
    last_error TEXT,
    tried_unix_ms INTEGER
) STRICT;

CREATE INDEX deliveries_by_webhook ON deliveries (webhook, id);
CREATE INDEX deliveries_due ON deliveries (webhook, next_unix_ms, id) WHERE state = 'waiting';
CREATE INDEX deliveries_next ON deliveries (next_unix_ms) WHERE state = 'waiting';
