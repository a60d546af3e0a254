package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// retryPause is between two tries. SQLite itself has waited by then in most
// cases, but it reports some conflicts at once, such as over switching on the
// log or over recovering the log of a killed process.
const retryPause = 5 * time.Millisecond

// retry calls do until it returns anything but "busy" or the context ends.
func retry(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			// SQLite only says "interrupted".
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		if !errors.Is(err, sqlite3.BUSY) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w while other processes kept the catalogue locked: %w", context.Cause(ctx), err)
		case <-time.After(retryPause):
		}
	}
}

// change makes a change as one transaction, which do must not end. do may be
// called several times.
func (c *Catalog) change(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	return retry(ctx, func() error {
		tx, err := c.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // has no effect after Commit
		if err := do(ctx, tx); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// each calls row for every row of a query. reset is called before each try.
func (c *Catalog) each(ctx context.Context, reset func(), row func(*sql.Rows) error, query string, args ...any) error {
	return retry(ctx, func() error {
		reset()
		rows, err := c.db.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := row(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}
