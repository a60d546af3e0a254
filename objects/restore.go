package objects

import "github.com/aotf/sharedmem/shm"

// Restore makes a segment of this program's layout from a file that
// shm.Snapshot or "shmtool snapshot" wrote, of this or another version of it;
// see shm.Restore. Capacities that Options does not give are the snapshot's;
// limits are too, unless the segment that is there has its own.
func Restore(file, name string, o *Options) (shm.RestoreReport, error) {
	var opt Options
	if o != nil {
		opt = *o
	}
	return shm.Restore(file, name, &tree{}, opt.segment())
}
