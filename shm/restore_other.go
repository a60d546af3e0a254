//go:build !(linux && (amd64 || arm64))

package shm

// Snapshot returns ErrUnsupported on this system.
func Snapshot(name, file string, o *Options, force bool) (SnapshotReport, error) {
	return SnapshotReport{}, ErrUnsupported
}

// Restore returns ErrUnsupported on this system.
func Restore(file, name string, app Definer, o *Options) (RestoreReport, error) {
	return RestoreReport{}, ErrUnsupported
}
