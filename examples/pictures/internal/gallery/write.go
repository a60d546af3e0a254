package gallery

import (
	"os"
	"path/filepath"
)

// writeFile makes the file appear complete or not at all. A kill can leave the
// temporary file behind; its name begins with a dot, so nothing lists it.
// It does not sync: it guards against killed processes, not power cuts.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".writing-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails, harmlessly, once renamed
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
