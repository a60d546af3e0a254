//go:build !(linux && (amd64 || arm64))

package shm

// Inspect returns ErrUnsupported on this system.
func Inspect(name string, o *Options) (*Image, error) { return nil, ErrUnsupported }

// Remove returns ErrUnsupported on this system.
func Remove(name string, o *Options, force bool) error { return ErrUnsupported }

func removeRetired(name string, o *Options) error { return ErrUnsupported }

// Reset returns ErrUnsupported on this system.
func Reset(name string, o *Options, force bool) error { return ErrUnsupported }

// List returns ErrUnsupported on this system.
func List(o *Options) ([]string, error) { return nil, ErrUnsupported }

// SideFile returns ErrUnsupported on this system.
func (s *Segment) SideFile(what string) (string, error) { return "", ErrUnsupported }

// Remove closes the private segment, which is all there is to remove.
func (s *Segment) Remove() error { return s.Close() }

// SideFiles returns ErrUnsupported on this system.
func SideFiles(path string) ([]string, error) { return nil, ErrUnsupported }
