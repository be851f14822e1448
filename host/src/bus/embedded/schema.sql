-- The same books as the Redis bus keeps, as tables. Ids are (ms, seq), in stream order.
CREATE TABLE IF NOT EXISTS entries (
  stream TEXT NOT NULL, ms INTEGER NOT NULL, seq INTEGER NOT NULL, fields BLOB NOT NULL,
  UNIQUE (stream, ms, seq)
);
CREATE TABLE IF NOT EXISTS groups (
  stream TEXT NOT NULL, name TEXT NOT NULL,
  cursor_ms INTEGER NOT NULL, cursor_seq INTEGER NOT NULL,
  fence INTEGER NOT NULL DEFAULT 0, duplicates INTEGER NOT NULL DEFAULT 0,
  beat INTEGER, grace INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (stream, name)
) WITHOUT ROWID;
-- Read and not acknowledged. `waiting` is 0 while the entry is handed out, `failed` counts runs,
-- `lost` names the fences of the runs whose host was lost, each with a comma behind it. `due` is
-- when it is due where it waits aside, and 0 else.
CREATE TABLE IF NOT EXISTS pending (
  stream TEXT NOT NULL, name TEXT NOT NULL, lane TEXT NOT NULL,
  ms INTEGER NOT NULL, seq INTEGER NOT NULL, waiting INTEGER NOT NULL,
  failed INTEGER NOT NULL DEFAULT 0, lost TEXT NOT NULL DEFAULT '',
  due INTEGER NOT NULL DEFAULT 0, history TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (stream, name, lane, ms, seq)
) WITHOUT ROWID;
-- Busy lanes: held by a consumer, or stopped by an entry since `stopped_at`, or else waiting
-- until `due`; `aside` is 1 where all that the lane has waits aside.
CREATE TABLE IF NOT EXISTS lanes (
  stream TEXT NOT NULL, name TEXT NOT NULL, lane TEXT NOT NULL,
  consumer TEXT, ms INTEGER, seq INTEGER, fence INTEGER, attempt INTEGER,
  alone INTEGER NOT NULL DEFAULT 0, due INTEGER, aside INTEGER NOT NULL DEFAULT 0,
  stopped_at INTEGER,
  PRIMARY KEY (stream, name, lane)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lanes_due ON lanes (stream, name, due) WHERE due IS NOT NULL;
CREATE TABLE IF NOT EXISTS done (
  stream TEXT NOT NULL, name TEXT NOT NULL, event_id TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (stream, name, event_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS done_at ON done (stream, name, at);
-- Finished events that were requeued: their generations below `below` are done.
CREATE TABLE IF NOT EXISTS requeued (
  stream TEXT NOT NULL, name TEXT NOT NULL, event_id TEXT NOT NULL, below INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (stream, name, event_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS requeued_at ON requeued (stream, name, at);
CREATE TABLE IF NOT EXISTS hosts (
  stream TEXT NOT NULL, name TEXT NOT NULL, consumer TEXT NOT NULL, until INTEGER NOT NULL,
  PRIMARY KEY (stream, name, consumer)
) WITHOUT ROWID;
-- The routes that the hosts of a group have in common.
CREATE TABLE IF NOT EXISTS routes (
  stream TEXT NOT NULL, name TEXT NOT NULL, routes TEXT NOT NULL,
  PRIMARY KEY (stream, name)
) WITHOUT ROWID;
-- The last entry that was trimmed from a stream: ids grow also where none is left.
CREATE TABLE IF NOT EXISTS trims (
  stream TEXT NOT NULL PRIMARY KEY, ms INTEGER NOT NULL, seq INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS replays (
  stream TEXT NOT NULL, run TEXT NOT NULL, request TEXT NOT NULL,
  end_ms INTEGER NOT NULL, end_seq INTEGER NOT NULL,
  cursor_ms INTEGER NOT NULL DEFAULT 0, cursor_seq INTEGER NOT NULL DEFAULT 0,
  appended INTEGER NOT NULL DEFAULT 0, finished INTEGER NOT NULL DEFAULT 0,
  begun INTEGER NOT NULL, moved INTEGER NOT NULL,
  PRIMARY KEY (stream, run)
) WITHOUT ROWID;
