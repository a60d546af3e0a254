package gallery

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Account is a folder which holds pictures.
type Account struct {
	Name string // path of the folder below the tree, parts separated by '/'; "." is the tree's own folder
	ID   int64  // positive, derived from Name alone
	Dir  string // where the folder is
}

// Accounts lists the accounts of the tree dir, sorted by name.
//
// Every folder at any depth, dir itself included, is an account if it holds a
// picture directly. Symbolic links (other than dir itself) and names which
// begin with a dot are passed over. Accounts reads folders, never pictures, so
// an account may well turn out to hold none that is readable.
//
// It fails when dir, or a folder below it, cannot be read.
func Accounts(dir string) ([]Account, error) {
	// WalkDir would not enter a root which is itself a symbolic link.
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, fmt.Errorf("gallery: pictures folder %s: %w", dir, err)
	}
	if info, err := os.Stat(root); err != nil {
		return nil, fmt.Errorf("gallery: pictures folder %s: %w", dir, err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("gallery: %s is not a folder; name the folder which holds the pictures", dir)
	}
	holds := make(map[string]bool)
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p != root && hidden(d.Name()):
			if d.IsDir() {
				return filepath.SkipDir
			}
		case isPicture(d):
			holds[filepath.Dir(p)] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("gallery: listing the accounts of %s: %w", dir, err)
	}
	accounts := make([]Account, 0, len(holds))
	for folder := range holds {
		rel, err := filepath.Rel(root, folder)
		if err != nil {
			return nil, fmt.Errorf("gallery: listing the accounts of %s: %w", dir, err)
		}
		accounts = append(accounts, newAccount(dir, filepath.ToSlash(rel)))
	}
	slices.SortFunc(accounts, func(a, b Account) int { return strings.Compare(a.Name, b.Name) })
	return accounts, nil
}

// Find returns the account of that name in the tree dir, and whether there is
// one: a folder that does not exist, or holds no picture, is no account.
//
// Names come from strangers' pages. A name which could lead out of the tree
// (absolute, with a ".." or an empty part, or through a symbolic link) is
// refused with an error that matches [ErrBadName], and nothing it names is
// read.
func Find(dir, name string) (Account, bool, error) {
	// ValidPath refuses "..", "", "a//b", "/a" and "a/".
	if !fs.ValidPath(name) || !filepath.IsLocal(filepath.FromSlash(name)) || strings.ContainsRune(name, 0) {
		return Account{}, false, fmt.Errorf("gallery: account %q: %w", name, ErrBadName)
	}
	at := dir
	if name != "." {
		for part := range strings.SplitSeq(name, "/") {
			if hidden(part) || len(part) > 255 { // 255: the longest name a folder can have
				return Account{}, false, nil
			}
			at = filepath.Join(at, part)
			info, err := os.Lstat(at)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return Account{}, false, nil
			case err != nil:
				return Account{}, false, fmt.Errorf("gallery: account %q: %w", name, err)
			case info.Mode()&fs.ModeSymlink != 0:
				return Account{}, false, fmt.Errorf("gallery: account %q goes through the symbolic link %s: %w", name, at, ErrBadName)
			case !info.IsDir():
				return Account{}, false, nil
			}
		}
	}
	entries, err := os.ReadDir(at)
	if err != nil {
		return Account{}, false, fmt.Errorf("gallery: account %q: %w", name, err)
	}
	if !slices.ContainsFunc(entries, isPicture) {
		return Account{}, false, nil
	}
	return newAccount(dir, name), true, nil
}

// ErrBadName is matched by the error of [Find] for a name which is not the
// name of a folder inside the tree.
var ErrBadName = errors.New("not a name inside the pictures folder; use the folder's path below it, with '/' between the parts")

func newAccount(dir, name string) Account {
	return Account{Name: name, ID: stableID(name), Dir: filepath.Join(dir, filepath.FromSlash(name))}
}

// stableID derives a positive identifier from names. Two names share one with
// a probability of 2^-63, which is accepted.
func stableID(names ...string) int64 {
	h := fnv.New64a()
	for i, name := range names {
		if i > 0 {
			h.Write([]byte{0}) // no file name holds a NUL, so the parts stay apart
		}
		h.Write([]byte(name))
	}
	return max(1, int64(h.Sum64()&0x7fff_ffff_ffff_ffff))
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// isPicture goes by the name: whether the file can be decoded is only known
// by trying, see [HashFile].
func isPicture(d fs.DirEntry) bool {
	if !d.Type().IsRegular() || hidden(d.Name()) {
		return false
	}
	switch strings.ToLower(path.Ext(d.Name())) {
	case ".jpg", ".jpeg", ".png", ".gif":
		return true
	}
	return false
}
