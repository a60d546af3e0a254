package gallery

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Picture is a picture file of an account.
type Picture struct {
	ID      int64     // positive, derived from the account's and the file's name
	Name    string    // name of the file
	Path    string    // where the file is
	ModTime time.Time // when the file last changed
}

// Pictures lists the account's pictures, the newest first; pictures of the
// same time are sorted by name. Only the account's own folder is listed, not
// those below it, and no picture is opened.
//
// It fails when the folder cannot be read. A file removed during the listing
// is left out.
func (a Account) Pictures() ([]Picture, error) {
	entries, err := os.ReadDir(a.Dir)
	if err != nil {
		return nil, fmt.Errorf("gallery: listing account %q: %w", a.Name, err)
	}
	var pictures []Picture
	for _, entry := range entries {
		if !isPicture(entry) {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("gallery: listing account %q: %w", a.Name, err)
		}
		pictures = append(pictures, Picture{
			ID:      stableID(a.Name, entry.Name()),
			Name:    entry.Name(),
			Path:    filepath.Join(a.Dir, entry.Name()),
			ModTime: info.ModTime(),
		})
	}
	slices.SortFunc(pictures, func(p, q Picture) int {
		return cmp.Or(q.ModTime.Compare(p.ModTime), strings.Compare(p.Name, q.Name))
	})
	return pictures, nil
}
