// Package catalog is a catalogue of pictures in one SQLite file, shared by any
// number of processes of one machine.
//
// Each change is one transaction: a process killed at any moment leaves either
// all of it or nothing, and no lock behind. The file is used in write-ahead-log
// mode, so readers and the one writer there can be at a time do not wait for
// each other; it must be on a local disk, not a network file system, and its
// -wal and -shm files belong to it. A power cut may lose the last changes but
// does not damage the file.
package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	_ "github.com/ncruces/go-sqlite3/driver" // registers the driver "sqlite3"
)

// Catalog is an open catalogue. Its methods may be called from several
// goroutines at once.
//
// When another process has the file locked, every method tries again until its
// context ends; give it a context with a deadline if waiting for ever would be
// wrong.
type Catalog struct {
	db   *sql.DB
	path string
}

// openPatience bounds the wait of Open for processes that open the same new
// file at the same time. Each holds the lock for milliseconds.
const openPatience = time.Minute

// version is stored in the file, so that a program of another version says so
// instead of failing over a missing column.
const version = 1

// A cursor is NULL until its leg has saved one. Hashes are stored as the signed
// integer with the same bits, since SQLite has no unsigned ones. There are no
// foreign keys: a picture may arrive before its account's name does.
var schema = []string{
	`CREATE TABLE accounts (
		id         INTEGER PRIMARY KEY,
		name       TEXT NOT NULL DEFAULT '',
		cursor_a   TEXT,
		cursor_b   TEXT,
		scanned_at INTEGER NOT NULL DEFAULT 0
	) STRICT`,
	`CREATE TABLE pictures (
		account_id INTEGER NOT NULL,
		picture_id INTEGER NOT NULL,
		name       TEXT NOT NULL,
		hash       INTEGER NOT NULL,
		PRIMARY KEY (account_id, picture_id)
	) STRICT, WITHOUT ROWID`,
	`CREATE TABLE unreadable (
		account_id INTEGER NOT NULL,
		picture_id INTEGER NOT NULL,
		name       TEXT NOT NULL,
		reason     TEXT NOT NULL,
		PRIMARY KEY (account_id, picture_id)
	) STRICT, WITHOUT ROWID`,
	fmt.Sprintf(`PRAGMA user_version = %d`, version),
}

// Open opens the catalogue in the file at path and creates it when there is
// none; its folder must exist. Several processes may do so at the same time.
//
// It fails when the file cannot be opened or created, is not an SQLite file, was
// made by another version of this package or by another program, or stays
// locked for a minute.
func Open(path string) (*Catalog, error) {
	absolute, err := filepath.Abs(path) // so that no path looks like ":memory:"
	if err != nil {
		return nil, fmt.Errorf("catalog: opening %s: %w", path, err)
	}
	db, err := sql.Open("sqlite3", dataSource(absolute))
	if err != nil {
		return nil, fmt.Errorf("catalog: opening %s: %w", path, err)
	}
	// Enough for readers beside the writer; each connection costs megabytes.
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	c := &Catalog{db: db, path: path}
	ctx, cancel := context.WithTimeout(context.Background(), openPatience)
	defer cancel()
	if err := c.change(ctx, createSchema); err != nil {
		db.Close()
		return nil, fmt.Errorf("catalog: opening %s (is it a catalogue file in a folder you can write?): %w", path, err)
	}
	return c, nil
}

// Close closes the catalogue. Methods called later fail.
func (c *Catalog) Close() error {
	if err := c.db.Close(); err != nil {
		return fmt.Errorf("catalog: closing %s: %w", c.path, err)
	}
	return nil
}

// dataSource is a URI, so characters such as '?' in the path must be escaped.
// The busy timeout comes first because switching to the log needs it.
func dataSource(path string) string {
	pragmas := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(wal)", "synchronous(normal)"}}
	pragmas.Set("_txlock", "immediate") // a transaction that starts by reading could not wait for a writer
	escaped := (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
	return "file:" + escaped + "?" + pragmas.Encode()
}

func createSchema(ctx context.Context, tx *sql.Tx) error {
	var found, tables int
	if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&found); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables); err != nil {
		return err
	}
	switch {
	case found == version:
		return nil
	case found != 0:
		return fmt.Errorf("the file has version %d, this program needs %d; use another file", found, version)
	case tables != 0:
		return errors.New("the file is the database of another program; use another file")
	}
	for _, statement := range schema {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
