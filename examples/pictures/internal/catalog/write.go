package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// AddAccount records the name of an account. Its cursors and pictures stay as
// they are, so it may be called at every start.
func (c *Catalog) AddAccount(ctx context.Context, account int64, name string) error {
	err := c.exec(ctx, `INSERT INTO accounts (id, name) VALUES (?, ?)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name`, account, name)
	if err != nil {
		return fmt.Errorf("catalog: adding account %q: %w", name, err)
	}
	return nil
}

// Add records a picture of an account and its hash, replacing what was recorded
// of that picture before. The account need not have been added.
func (c *Catalog) Add(ctx context.Context, account, picture int64, name string, hash uint64) error {
	err := c.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO pictures (account_id, picture_id, name, hash) VALUES (?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET name = excluded.name, hash = excluded.hash`, account, picture, name, int64(hash))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM unreadable WHERE account_id = ? AND picture_id = ?`, account, picture)
		return err
	})
	if err != nil {
		return fmt.Errorf("catalog: adding picture %q of account %d: %w", name, account, err)
	}
	return nil
}

// AddUnreadable records that a picture of an account could not be read and why,
// replacing what was recorded of that picture before. Such a picture is never
// found by [Catalog.Search].
func (c *Catalog) AddUnreadable(ctx context.Context, account, picture int64, name, reason string) error {
	err := c.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO unreadable (account_id, picture_id, name, reason) VALUES (?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET name = excluded.name, reason = excluded.reason`, account, picture, name, reason)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM pictures WHERE account_id = ? AND picture_id = ?`, account, picture)
		return err
	})
	if err != nil {
		return fmt.Errorf("catalog: adding unreadable picture %q of account %d: %w", name, account, err)
	}
	return nil
}

// SaveCursor records how far a leg of the scan of an account, 'A' or 'B', has
// come. What a cursor means is the caller's affair; it may be empty. The account
// need not have been added. Any other leg is an error.
func (c *Catalog) SaveCursor(ctx context.Context, account int64, leg byte, cursor string) error {
	var column string
	switch leg {
	case 'A':
		column = "cursor_a"
	case 'B':
		column = "cursor_b"
	default:
		return fmt.Errorf("catalog: saving a cursor of account %d: the leg is %q, not 'A' or 'B'", account, leg)
	}
	err := c.exec(ctx, `INSERT INTO accounts (id, `+column+`, scanned_at) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET `+column+` = excluded.`+column+`, scanned_at = excluded.scanned_at`,
		account, cursor, time.Now().Unix())
	if err != nil {
		return fmt.Errorf("catalog: saving cursor %c of account %d: %w", leg, account, err)
	}
	return nil
}

func (c *Catalog) exec(ctx context.Context, query string, args ...any) error {
	return retry(ctx, func() error {
		_, err := c.db.ExecContext(ctx, query, args...)
		return err
	})
}
