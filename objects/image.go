package objects

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/aotf/sharedmem/shm"
)

// mostImage is the largest query image, 20 MiB.
const mostImage = 20 << 20

// imageStore keeps query images as files named after their request: beside the
// segment, in a folder of the user's choice, or in a temporary one.
type imageStore struct {
	dir     string
	private bool
	side    func(string) (string, error)

	once sync.Once
	err  error
	temp string
}

const imagePrefix = "image."

// path is where the image of a request lies.
func (s *imageStore) path(what string) (string, error) {
	if s.private && s.dir == "" {
		s.once.Do(func() {
			s.temp, s.err = os.MkdirTemp("", "aotf-images-")
			s.dir = s.temp
		})
		if s.err != nil {
			return "", s.err
		}
	}
	if s.dir != "" {
		return filepath.Join(s.dir, what), nil
	}
	return s.side(what)
}

func (s *imageStore) close() error {
	if s.temp == "" {
		return nil
	}
	return os.RemoveAll(s.temp)
}

func imageName(r shm.Ref[userRecord]) string { return imagePrefix + r.String() }

// saveImage stores the image whole, before the request is launched: written
// under another name, then renamed. Killed in between, sweepImages removes it.
func (u *users) saveImage(r shm.Ref[userRecord], b []byte) error {
	path, err := u.m.images.path(imageName(r))
	if err != nil {
		return err
	}
	part := path + ".part"
	if err := os.WriteFile(part, b, 0o600); err != nil {
		return errors.Join(fmt.Errorf("store the query image: %w", err), removeFile(part))
	}
	return os.Rename(part, path)
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// dropImage removes the image of a request that has ended.
func (u *users) dropImage(r shm.Ref[userRecord]) {
	if path, err := u.m.images.path(imageName(r)); err == nil {
		_ = removeFile(path) // what stays is removed by sweepImages
	}
}

// sweepImages removes images whose request has ended or never came to be.
func (u *users) sweepImages() error {
	pattern, err := u.m.images.path(imagePrefix)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Dir(pattern))
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, ok := strings.CutPrefix(e.Name(), filepath.Base(pattern))
		if !ok {
			continue
		}
		var r shm.Ref[userRecord]
		if r.UnmarshalText([]byte(strings.TrimSuffix(text, ".part"))) != nil || u.m.unfinished(r) {
			continue
		}
		err = errors.Join(err, removeFile(filepath.Join(filepath.Dir(pattern), e.Name())))
	}
	return err
}

func (c *userClaim) Image(ctx context.Context) ([]byte, error) {
	if c.req.ImageSize == 0 {
		return nil, invalid("request", c.req.Query.URL, "it has no query image")
	}
	path, err := c.u.m.images.path(imageName(c.c.Ref()))
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("query image: %w", err)
	}
	if int64(len(b)) != c.req.ImageSize {
		return nil, fmt.Errorf("%w: query image of %d bytes, want %d", ErrCorrupt, len(b), c.req.ImageSize)
	}
	return b, nil
}
