package gallery

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Page is an illustration page: a picture somebody posted, and the names of
// the artists it may be by.
type Page struct {
	Artist []string // candidate account names, 1 to MaxArtists; may be wrong or unknown
	Image  string   // path of the picture
}

// MaxArtists is the largest number of artists a page may name.
const MaxArtists = 16

// maxPageSize is far above what MaxArtists names and a path can take.
const maxPageSize = 256 << 10

// WritePage writes the page as a small text file, replacing the file at path
// if there is one. A reader sees the old page or the new one, never a part.
//
// A relative page.Image is understood by [ReadPage] as relative to the page's
// own folder, so that pages and pictures can be moved together. It fails when
// the page names no artist, more than [MaxArtists] or no image, or when the
// folder of path cannot be written.
func WritePage(path string, page Page) error {
	if err := page.check(); err != nil {
		return fmt.Errorf("gallery: page %s: %w", path, err)
	}
	// Quoted, because file names may hold line breaks and invalid UTF-8.
	var b strings.Builder
	for _, artist := range page.Artist {
		fmt.Fprintf(&b, "artist: %q\n", artist)
	}
	fmt.Fprintf(&b, "image: %q\n", page.Image)
	if b.Len() > maxPageSize {
		return fmt.Errorf("gallery: page %s: its names take more than %d bytes", path, maxPageSize)
	}
	if err := writeFile(path, []byte(b.String())); err != nil {
		return fmt.Errorf("gallery: writing page %s: %w", path, err)
	}
	return nil
}

// ReadPage reads a page that [WritePage] wrote. The Image of the page it
// returns is joined to the page's folder unless it is absolute.
//
// It fails, naming the file and line, when the file is not such a page. It
// does not check that the artists or the image exist.
func ReadPage(path string) (Page, error) {
	data, err := readPageFile(path)
	if err != nil {
		return Page{}, fmt.Errorf("gallery: reading page: %w", err)
	}
	var page Page
	number := 0
	for line := range strings.Lines(data) {
		number++
		if strings.TrimSpace(line) == "" {
			continue
		}
		key, quoted, _ := strings.Cut(line, ":")
		value, err := strconv.Unquote(strings.TrimSpace(quoted))
		switch {
		case err == nil && key == "artist":
			page.Artist = append(page.Artist, value)
		case err == nil && key == "image" && page.Image == "":
			page.Image = value
		default:
			return Page{}, fmt.Errorf("gallery: page %s, line %d: want artist: \"NAME\" or, once, image: \"PATH\"", path, number)
		}
	}
	if err := page.check(); err != nil {
		return Page{}, fmt.Errorf("gallery: page %s: %w", path, err)
	}
	if !filepath.IsAbs(page.Image) {
		page.Image = filepath.Join(filepath.Dir(path), page.Image)
	}
	return page, nil
}

func (p Page) check() error {
	switch {
	case len(p.Artist) == 0:
		return errors.New("names no artist")
	case len(p.Artist) > MaxArtists:
		return fmt.Errorf("names %d artists, more than %d", len(p.Artist), MaxArtists)
	case p.Image == "":
		return errors.New("names no image")
	}
	return nil
}

func readPageFile(path string) (string, error) {
	info, err := os.Stat(path) // before opening: a named pipe would block
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxPageSize {
		return "", fmt.Errorf("%s is not a file of at most %d bytes", path, maxPageSize)
	}
	data, err := os.ReadFile(path)
	return string(data), err
}
