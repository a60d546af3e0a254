package gallery

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

func encodePNG(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pngOfSize is the beginning of a PNG file which announces a picture of that size.
func pngOfSize(width, height uint32) []byte {
	chunk := []byte("IHDR")
	chunk = binary.BigEndian.AppendUint32(chunk, width)
	chunk = binary.BigEndian.AppendUint32(chunk, height)
	chunk = append(chunk, 8, 2, 0, 0, 0)
	file := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
	file = append(file, chunk...)
	return binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(chunk))
}

func TestHashFileKeepsToThePicture(t *testing.T) {
	dir := t.TempDir()
	img := paint(rand.New(rand.NewPCG(1, 1)))
	write(t, filepath.Join(dir, "a.png"), encodePNG(t, img))
	original, err := HashFile(filepath.Join(dir, "a.png"))
	if err != nil {
		t.Fatal(err)
	}

	var b bytes.Buffer
	if err := gif.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	deep := image.NewRGBA64(img.Rect.Add(image.Pt(5, 9)))
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			deep.Set(x+5, y+9, img.At(x, y))
		}
	}
	for name, file := range map[string][]byte{"a.gif": b.Bytes(), "deep.png": encodePNG(t, deep)} {
		path := filepath.Join(dir, name)
		write(t, path, file)
		if hash, err := HashFile(path); err != nil || Distance(hash, original) > 4 {
			t.Errorf("%s is at distance %d from the same picture as PNG, error %v", name, Distance(hash, original), err)
		}
	}

	upside := image.NewRGBA(img.Rect)
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			upside.Set(x, img.Rect.Dy()-1-y, img.At(x, y))
		}
	}
	write(t, filepath.Join(dir, "upside.png"), encodePNG(t, upside))
	if hash, err := HashFile(filepath.Join(dir, "upside.png")); err != nil || Distance(hash, original) < 14 {
		t.Errorf("upside down it is at distance %d, error %v", Distance(hash, original), err)
	}
}

func TestHashFileTakesOddSizes(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {1, 300}, {300, 1}, {64, 64}, {64, 1}, {3, 5}} {
		img := image.NewGray(image.Rectangle{Max: size})
		img.SetGray(0, 0, color.Gray{Y: 200})
		path := filepath.Join(t.TempDir(), "p.png")
		write(t, path, encodePNG(t, img))
		if _, err := HashFile(path); err != nil {
			t.Errorf("%v: %v", size, err)
		}
	}
}

func TestHashFileRefuses(t *testing.T) {
	image.RegisterFormat("explosive", "EXPLOSIVE",
		func(io.Reader) (image.Image, error) { panic("boom") },
		func(io.Reader) (image.Config, error) { return image.Config{Width: 1, Height: 1}, nil })
	dir := t.TempDir()
	whole := encodePNG(t, paint(rand.New(rand.NewPCG(1, 1))))
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty.png":     {nil, "not a readable"},
		"text.jpg":      {[]byte("hello"), "not a readable"},
		"cut.png":       {whole[:len(whole)/2], "damaged or cut short"},
		"huge.png":      {pngOfSize(1<<20, 1<<20), "pixels are more than"},
		"above.png":     {pngOfSize(MaxPixels/1000+1, 1000), "pixels are more than"},
		"limit.png":     {pngOfSize(MaxPixels/1000, 1000), "damaged or cut short"},
		"explosive.png": {[]byte("EXPLOSIVE"), "boom"},
	} {
		path := filepath.Join(dir, name)
		write(t, path, c.file)
		_, err := HashFile(path)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one with %q and the path", name, err, c.want)
		}
	}
	if _, err := HashFile(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := HashFile(filepath.Join(dir, "missing.png")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b uint64
		want int
	}{{0, 0, 0}, {0, ^uint64(0), 64}, {1 << 63, 1, 2}, {0xff, 0x0f, 4}} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("Distance(%#x, %#x) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
