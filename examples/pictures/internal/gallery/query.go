package gallery

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Query is a page made by [MakeQueries] together with what a search for its
// picture should find.
type Query struct {
	Page    string  // path of the page
	Account string  // account of the picture that the page's image is a copy of; empty if Absent
	Picture int64   // ID of that picture; 0 if Absent
	Hash    uint64  // hash of the page's image, as HashFile returns it
	Absent  bool    // the image is in none of the accounts the page names
	Same    []int64 // IDs of Account's pictures with the very hash of Picture, itself included, ascending; nil if Absent
}

// ErrNoReadable is matched by the error of [MakeQueries] when not one picture
// of the tree can be decoded.
var ErrNoReadable = errors.New("no readable picture; add JPEG, PNG or GIF files in folders below it, or draw a gallery")

// absentEvery is how many queries there are for each one whose picture is in
// no account.
const absentEvery = 8

// MakeQueries writes n pages and their images into the folder out, which it
// creates when necessary, and returns them in the order of their names.
//
// The image of a page is a smaller JPEG copy of a readable picture of the tree
// dir, at a [Distance] of at most near from it. Every eighth is instead a newly
// painted picture further than near from every picture of the accounts its
// page names. A page names up to three artists in any order: the right one (for
// an absent picture, one or two accounts), perhaps other accounts, perhaps a name
// nobody has. The same tree and seed give the same queries. Files of the same
// names in out are replaced, others left alone.
//
// Pictures are read as they are needed: those that are copied, and all those of
// the accounts copied from, for Query.Same. The pages of absent pictures name
// accounts which were read already.
//
// It fails with [ErrNoReadable] when the tree has no readable picture, with
// another error when no picture survives copying within near or nothing new
// can be painted further than near from those there are, and when out lies
// inside dir, where its images would become an account.
func MakeQueries(dir, out string, seed uint64, n int, near int) ([]Query, error) {
	if n < 0 || near < 0 {
		return nil, fmt.Errorf("gallery: making queries: %d queries within distance %d; neither may be negative", n, near)
	}
	accounts, err := Accounts(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, fmt.Errorf("gallery: making queries: %w", err)
	}
	if inside, err := within(dir, out); err != nil {
		return nil, fmt.Errorf("gallery: making queries: %w", err)
	} else if inside {
		return nil, fmt.Errorf("gallery: making queries: %s is inside the pictures folder %s; choose a folder elsewhere", out, dir)
	}
	m := &maker{
		rng: rand.New(rand.NewPCG(seed, 2)), dir: dir, near: near,
		accounts: accounts, sources: newSources(accounts),
	}
	queries := make([]Query, 0, n)
	for i := range n {
		next := m.copied
		if i%absentEvery == absentEvery-1 {
			next = m.absent
		}
		q, file, artists, err := next()
		if err != nil {
			return nil, fmt.Errorf("gallery: making query %d of %d: %w", i+1, n, err)
		}
		image := fmt.Sprintf("query-%04d.jpg", i+1)
		if err := writeFile(filepath.Join(out, image), file); err != nil {
			return nil, fmt.Errorf("gallery: making queries: %w", err)
		}
		q.Page = filepath.Join(out, fmt.Sprintf("query-%04d.page", i+1))
		if err := WritePage(q.Page, Page{Artist: artists, Image: image}); err != nil {
			return nil, err
		}
		queries = append(queries, q)
	}
	return queries, nil
}

// maker is the state of one MakeQueries.
type maker struct {
	rng      *rand.Rand
	dir      string
	near     int
	accounts []Account
	sources  *sources
}

// copied makes a query whose picture is in the tree.
func (m *maker) copied() (Query, []byte, []string, error) {
	var copyErr error
	for {
		source, ok, err := m.sources.pick(m.rng)
		if err != nil {
			return Query{}, nil, nil, err
		}
		if !ok && copyErr != nil {
			return Query{}, nil, nil, fmt.Errorf("no picture of %s stays within distance %d when copied; allow a larger distance: %w", m.dir, m.near, copyErr)
		}
		if !ok {
			return Query{}, nil, nil, fmt.Errorf("%s: %w", m.dir, ErrNoReadable)
		}
		file, hash, err := shrink(m.rng, source.picture.Path, source.hash, m.near)
		if err != nil {
			copyErr = err
			m.sources.drop(source)
			continue
		}
		same, err := m.sources.same(source)
		if err != nil {
			return Query{}, nil, nil, err
		}
		q := Query{Account: source.account.Name, Picture: source.picture.ID, Hash: hash, Same: same}
		return q, file, m.artists(source.account.Name), nil
	}
}

// absent makes a query whose picture is in none of the accounts it names.
func (m *maker) absent() (Query, []byte, []string, error) {
	known := m.sources.scanned() // never empty: a copied query came before
	m.rng.Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
	known = known[:min(len(known), 1+m.rng.IntN(2))]
	var artists []string
	var hashes []uint64
	for _, account := range known {
		artists = append(artists, account.Name)
		all, err := m.sources.hashes(account)
		if err != nil {
			return Query{}, nil, nil, err
		}
		for _, hash := range all {
			hashes = append(hashes, hash)
		}
	}
	for range 100 {
		file, hash, err := encodeJPEG(paint(m.rng), 60+m.rng.IntN(26))
		if err != nil {
			return Query{}, nil, nil, err
		}
		if nearest(hash, hashes) > m.near {
			return Query{Hash: hash, Absent: true}, file, m.shuffled(m.maybeUnknown(artists)), nil
		}
	}
	return Query{}, nil, nil, fmt.Errorf("no new picture is further than %d from the pictures of %s; allow a smaller distance", m.near, strings.Join(artists, ", "))
}

// artists names candidates for a picture of the account right.
func (m *maker) artists(right string) []string {
	names := []string{right}
	if m.rng.IntN(3) > 0 { // perhaps another account
		other := m.accounts[m.rng.IntN(len(m.accounts))].Name
		if other != right {
			names = append(names, other)
		}
	}
	return m.shuffled(m.maybeUnknown(names))
}

// maybeUnknown appends, half the time, a name which is no account.
func (m *maker) maybeUnknown(names []string) []string {
	if m.rng.IntN(2) == 0 {
		return names
	}
	syllables := []string{"ba", "che", "di", "fo", "gu", "ka", "len", "mor", "nu", "ri", "sha", "tev", "vo", "zi"}
	for {
		name := ""
		for range 4 {
			name += syllables[m.rng.IntN(len(syllables))]
		}
		if !slices.ContainsFunc(m.accounts, func(a Account) bool { return a.Name == name }) {
			return append(names, name)
		}
	}
}

func (m *maker) shuffled(names []string) []string {
	m.rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names
}

// within reports whether folder is dir or below it.
func within(dir, folder string) (bool, error) {
	var real [2]string
	for i, p := range []string{dir, folder} {
		abs, err := filepath.Abs(p)
		if err != nil {
			return false, err
		}
		if real[i], err = filepath.EvalSymlinks(abs); err != nil {
			return false, err
		}
	}
	rel, err := filepath.Rel(real[0], real[1])
	return err == nil && filepath.IsLocal(rel), nil
}
