package catalog

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// Match is a picture that [Catalog.Search] found.
type Match struct {
	Account  int64
	Picture  int64
	Name     string
	Distance int // number of bits, 0 to 64, in which the hashes differ
}

// UnreadableFile is a picture recorded by [Catalog.AddUnreadable].
type UnreadableFile struct {
	Account int64
	Picture int64
	Name    string
	Reason  string
}

// Has reports whether the picture of the account is recorded, be it by
// [Catalog.Add] or by [Catalog.AddUnreadable]: whether a scan may pass it over.
func (c *Catalog) Has(ctx context.Context, account, picture int64) (bool, error) {
	var has bool
	err := retry(ctx, func() error {
		return c.db.QueryRowContext(ctx, `SELECT
			EXISTS (SELECT 1 FROM pictures WHERE account_id = ?1 AND picture_id = ?2) OR
			EXISTS (SELECT 1 FROM unreadable WHERE account_id = ?1 AND picture_id = ?2)`,
			account, picture).Scan(&has)
	})
	if err != nil {
		return false, fmt.Errorf("catalog: looking for picture %d of account %d: %w", picture, account, err)
	}
	return has, nil
}

// Cursors returns the last cursors saved of the two legs of an account's scan;
// one never saved is empty. scanned is true once both legs have saved one, even
// an empty one. An account nobody added has none, which is no error.
func (c *Catalog) Cursors(ctx context.Context, account int64) (a, b string, scanned bool, err error) {
	var legA, legB sql.NullString
	err = retry(ctx, func() error {
		return c.db.QueryRowContext(ctx, `SELECT cursor_a, cursor_b FROM accounts WHERE id = ?`, account).Scan(&legA, &legB)
	})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", "", false, fmt.Errorf("catalog: reading the cursors of account %d: %w", account, err)
	}
	return legA.String, legB.String, legA.Valid && legB.Valid, nil
}

// Search returns the pictures of the given accounts whose hashes differ from
// hash in at most near bits, the nearest first; those at the same distance by
// picture, then account. An account given twice counts once.
//
// It compares the hash with that of every picture of the accounts.
func (c *Catalog) Search(ctx context.Context, accounts []int64, hash uint64, near int) ([]Match, error) {
	accounts = slices.Clone(accounts)
	slices.Sort(accounts)
	var matches []Match
	for _, account := range slices.Compact(accounts) {
		before := len(matches)
		err := c.each(ctx, func() { matches = matches[:before] }, func(rows *sql.Rows) error {
			m := Match{Account: account}
			var stored int64
			if err := rows.Scan(&m.Picture, &m.Name, &stored); err != nil {
				return err
			}
			if m.Distance = bits.OnesCount64(hash ^ uint64(stored)); m.Distance <= near {
				matches = append(matches, m)
			}
			return nil
		}, `SELECT picture_id, name, hash FROM pictures WHERE account_id = ?`, account)
		if err != nil {
			return nil, fmt.Errorf("catalog: searching account %d: %w", account, err)
		}
	}
	slices.SortFunc(matches, func(m, n Match) int {
		return cmp.Or(cmp.Compare(m.Distance, n.Distance), cmp.Compare(m.Picture, n.Picture), cmp.Compare(m.Account, n.Account))
	})
	return matches, nil
}

// Counts returns the number of pictures recorded by [Catalog.Add] and the number
// of accounts known by [Catalog.AddAccount] or [Catalog.SaveCursor].
func (c *Catalog) Counts(ctx context.Context) (pictures, accounts int64, err error) {
	err = retry(ctx, func() error {
		return c.db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM pictures), (SELECT count(*) FROM accounts)`).Scan(&pictures, &accounts)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("catalog: counting: %w", err)
	}
	return pictures, accounts, nil
}

// Unreadable returns the pictures recorded by [Catalog.AddUnreadable], by
// account and name.
func (c *Catalog) Unreadable(ctx context.Context) ([]UnreadableFile, error) {
	var files []UnreadableFile
	err := c.each(ctx, func() { files = nil }, func(rows *sql.Rows) error {
		var f UnreadableFile
		if err := rows.Scan(&f.Account, &f.Picture, &f.Name, &f.Reason); err != nil {
			return err
		}
		files = append(files, f)
		return nil
	}, `SELECT account_id, picture_id, name, reason FROM unreadable ORDER BY account_id, name, picture_id`)
	if err != nil {
		return nil, fmt.Errorf("catalog: listing unreadable pictures: %w", err)
	}
	return files, nil
}
