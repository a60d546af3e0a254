//go:build linux && (amd64 || arm64)

package shm

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// An ownership is whose a file is and who may use it. What takes a segment's place
// keeps it: root that mends a service's segment must not take it away from it.
type ownership struct {
	uid, gid int
	mode     fs.FileMode
}

func ownershipOf(f *os.File) (o ownership, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return o, err
	}
	return ownership{int(st.Uid), int(st.Gid), fs.FileMode(st.Mode & 0o777)}, nil
}

// give makes a file so, or fails: only root may give a file away, and a user
// only to groups of its own.
func (o ownership) give(f *os.File) error {
	is, err := ownershipOf(f)
	if err == nil && (is.uid != o.uid || is.gid != o.gid) {
		err = unix.Fchown(int(f.Fd()), o.uid, o.gid)
	}
	if err == nil {
		err = unix.Fchmod(int(f.Fd()), uint32(o.mode))
	}
	if err != nil {
		return fmt.Errorf("%w: uid %d and gid %d, which this process cannot give a file to: run it as that user or as root (%w)",
			ErrOwner, o.uid, o.gid, err)
	}
	return nil
}

// giveMost is give for a file that is new: what cannot be its owner's stays ours,
// and what cannot be its group's is nobody else's. It says whether all was given.
func (o ownership) giveMost(f *os.File) (all bool, err error) {
	if o.give(f) == nil {
		return true, nil
	}
	o.uid = os.Geteuid()
	if o.give(f) == nil {
		return false, nil
	}
	return false, f.Chmod(o.mode & 0o700)
}
