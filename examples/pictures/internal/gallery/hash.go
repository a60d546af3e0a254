package gallery

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"
	_ "image/gif"  // decoded by HashFile
	_ "image/jpeg" // decoded by HashFile
	_ "image/png"  // decoded by HashFile
	"io"
	"math/bits"
	"os"

	"github.com/corona10/goimagehash"
)

// MaxPixels is the largest picture, in pixels, that [HashFile] decodes. Such a
// picture takes about a gigabyte of memory while it is being hashed.
const MaxPixels = 100_000_000

// HashFile decodes a JPEG, PNG or GIF file (the first frame) and returns its
// 64-bit perceptual hash. Pictures that look alike have hashes that differ in
// few bits, see [Distance]; pictures without any structure, such as one plain
// colour, all have nearly the same hash.
//
// It fails, naming the file, when the file cannot be opened, is not a regular
// file, cannot be decoded, or has more than [MaxPixels] pixels. A file cut short
// may still be decoded, in the coarser form that some of its bytes describe. A
// panic of a decoder is returned as an error, so a bad file never ends the
// process.
func HashFile(path string) (uint64, error) {
	img, err := decodeFile(path)
	if err != nil {
		return 0, err
	}
	hash, err := hashImage(img)
	if err != nil {
		return 0, fmt.Errorf("gallery: picture %s: %w", path, err)
	}
	return hash, nil
}

// Distance counts the bits in which two hashes differ: 0 for the same hash,
// about 32 for two unrelated pictures, at most 64.
func Distance(a, b uint64) int { return bits.OnesCount64(a ^ b) }

func decodeFile(path string) (*image.RGBA, error) {
	// Opening a named pipe would wait for a writer, so look before opening.
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("gallery: picture: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("gallery: picture %s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("gallery: picture: %w", err)
	}
	defer f.Close()
	img, err := decode(f)
	if err != nil {
		return nil, fmt.Errorf("gallery: picture %s: %w", path, err)
	}
	return img, nil
}

// decode returns every kind of image as RGBA. The hashing library works in
// goroutines of its own, where a panic over an unusual image could not be
// recovered; after this conversion it only ever meets one plain kind.
func decode(r io.ReadSeeker) (img *image.RGBA, err error) {
	defer func() {
		if p := recover(); p != nil {
			img, err = nil, fmt.Errorf("the decoder failed: %v", p)
		}
	}()
	config, _, err := image.DecodeConfig(r)
	if err != nil {
		return nil, fmt.Errorf("not a readable JPEG, PNG or GIF: %w", err)
	}
	if config.Width <= 0 || config.Height <= 0 {
		return nil, errors.New("the picture has no pixels")
	}
	if int64(config.Width) > MaxPixels/int64(config.Height) {
		return nil, fmt.Errorf("%d x %d pixels are more than the %d which are decoded", config.Width, config.Height, MaxPixels)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	decoded, _, err := image.Decode(r)
	if err != nil {
		return nil, fmt.Errorf("damaged or cut short: %w", err)
	}
	// A GIF's frame need not have the size its header announces.
	b := decoded.Bounds()
	if b.Empty() || int64(b.Dx()) > MaxPixels/int64(b.Dy()) {
		return nil, fmt.Errorf("%d x %d pixels cannot be hashed", b.Dx(), b.Dy())
	}
	img = image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(img, img.Bounds(), decoded, b.Min, draw.Src)
	return img, nil
}

func hashImage(img *image.RGBA) (uint64, error) {
	hash, err := goimagehash.PerceptionHash(img)
	if err != nil {
		return 0, fmt.Errorf("hashing: %w", err)
	}
	return hash.GetHash(), nil
}

func hashBytes(file []byte) (uint64, error) {
	img, err := decode(bytes.NewReader(file))
	if err != nil {
		return 0, err
	}
	return hashImage(img)
}
