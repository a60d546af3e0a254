package gallery

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestPageRoundTrip(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]Page{
		"one":     {Artist: []string{"mirako"}, Image: filepath.Join(dir, "1.jpg")},
		"strange": {Artist: []string{"a/b: \"c\"", "line\nbreak", "bad\xffutf8", ""}, Image: filepath.Join(dir, "im\nage: \xfe.jpg")},
	} {
		path := filepath.Join(dir, name)
		for range 2 { // the second time over the first
			if err := WritePage(path, want); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := ReadPage(path); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: read %+q, %v; want %+q", name, got, err, want)
		}
	}
	if err := WritePage(filepath.Join(dir, "moved"), Page{Artist: []string{"x"}, Image: "near/by.png"}); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadPage(filepath.Join(dir, "moved")); err != nil || got.Image != filepath.Join(dir, "near", "by.png") {
		t.Errorf("relative image read as %q, %v", got.Image, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 {
		t.Errorf("the folder holds %v, %v; want the three pages", left, err)
	}
}

func TestPageRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "page")
	for _, page := range []Page{{}, {Artist: []string{"x"}}, {Image: "x.png"}, {Artist: make([]string, MaxArtists+1), Image: "x.png"}} {
		if err := WritePage(path, page); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("WritePage(%+v): error %v, want one that names the file", page, err)
		}
	}
	for _, text := range []string{
		"", "artist: \"x\"\n", "image: \"x\"\n", "artist: x\nimage: \"x\"\n", "\x89PNG",
		"artist: \"x\"\nimage: \"a\"\nimage: \"b\"\n", "artist: \"x\"\nimage: \"a", "painter: \"x\"\nimage: \"a\"\n",
		strings.Repeat("artist: \"x\"\n", MaxArtists+1) + "image: \"a\"\n",
		"artist: \"x\"\nimage: \"" + strings.Repeat("a", maxPageSize) + "\"\n",
	} {
		write(t, path, []byte(text))
		if page, err := ReadPage(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("ReadPage of %.40q = %+.40v, %v; want an error that names the file", text, page, err)
		}
	}
}
