package gallery

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"slices"

	"github.com/nfnt/resize"
)

// source is a readable picture that a query may copy.
type source struct {
	account Account
	picture Picture
	hash    uint64
}

// sources deals out readable pictures, reading no more of the tree than that
// takes, and remembers every hash it computes.
type sources struct {
	left   []Account            // accounts that may still hold a usable picture, by name
	listed map[string][]Picture // by account name; unusable pictures are removed
	hash   map[int64]uint64     // by picture ID
	full   map[string]map[int64]uint64
	order  []Account // keys of full, in the order in which they were read
}

func newSources(accounts []Account) *sources {
	return &sources{
		left:   slices.Clone(accounts),
		listed: make(map[string][]Picture),
		hash:   make(map[int64]uint64),
		full:   make(map[string]map[int64]uint64),
	}
}

// pick returns a random readable picture of a random account, or false when
// none is left.
func (s *sources) pick(rng *rand.Rand) (source, bool, error) {
	for len(s.left) > 0 {
		i := rng.IntN(len(s.left))
		account := s.left[i]
		pictures, ok := s.listed[account.Name]
		if !ok {
			var err error
			if pictures, err = account.Pictures(); err != nil {
				return source{}, false, err
			}
			s.listed[account.Name] = pictures
		}
		if len(pictures) == 0 {
			s.left = slices.Delete(s.left, i, i+1)
			continue
		}
		from := source{account: account, picture: pictures[rng.IntN(len(pictures))]}
		hash, err := s.hashOf(from.picture)
		if err != nil {
			s.drop(from)
			continue
		}
		from.hash = hash
		return from, true, nil
	}
	return source{}, false, nil
}

// drop makes sure that the picture is not picked again.
func (s *sources) drop(from source) {
	s.listed[from.account.Name] = slices.DeleteFunc(s.listed[from.account.Name], func(p Picture) bool {
		return p.ID == from.picture.ID
	})
}

func (s *sources) hashOf(p Picture) (uint64, error) {
	if hash, ok := s.hash[p.ID]; ok {
		return hash, nil
	}
	hash, err := HashFile(p.Path)
	if err == nil {
		s.hash[p.ID] = hash
	}
	return hash, err
}

// hashes returns the hashes of all readable pictures of the account, by ID.
func (s *sources) hashes(account Account) (map[int64]uint64, error) {
	if all, ok := s.full[account.Name]; ok {
		return all, nil
	}
	pictures, err := account.Pictures()
	if err != nil {
		return nil, err
	}
	all := make(map[int64]uint64, len(pictures))
	for _, p := range pictures {
		if hash, err := s.hashOf(p); err == nil {
			all[p.ID] = hash
		}
	}
	s.full[account.Name] = all
	s.order = append(s.order, account)
	return all, nil
}

// scanned lists the accounts all of whose pictures have been read.
func (s *sources) scanned() []Account { return slices.Clone(s.order) }

// same lists the pictures of the source's account with the source's hash.
func (s *sources) same(from source) ([]int64, error) {
	all, err := s.hashes(from.account)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for id, hash := range all {
		if hash == from.hash {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// shrink makes a smaller copy of the picture at path, whose hash is original,
// as a JPEG file, and returns it with its own hash. Each try is gentler than
// the one before; after the last it fails.
func shrink(rng *rand.Rand, path string, original uint64, near int) ([]byte, uint64, error) {
	img, err := decodeFile(path)
	if err != nil {
		return nil, 0, err
	}
	distance := 0
	for try := range 4 {
		scale := 0.6 + 0.1*float64(try) + 0.1*rng.Float64() // 0.6 to 1
		width := max(1, uint(scale*float64(img.Rect.Dx())))
		height := max(1, uint(scale*float64(img.Rect.Dy())))
		small := resize.Resize(width, height, img, resize.Bilinear)
		file, hash, err := encodeJPEG(small, 60+try*10+rng.IntN(10))
		if err != nil {
			return nil, 0, fmt.Errorf("copying %s: %w", path, err)
		}
		if distance = Distance(hash, original); distance <= near {
			return file, hash, nil
		}
	}
	return nil, 0, fmt.Errorf("the best copy of %s is at distance %d", path, distance)
}

// encodeJPEG returns the picture as a file, and the hash of that file.
func encodeJPEG(img image.Image, quality int) ([]byte, uint64, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		return nil, 0, err
	}
	hash, err := hashBytes(b.Bytes())
	return b.Bytes(), hash, err
}
