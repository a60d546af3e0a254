package main

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/aotf/sharedmem/shm"
)

// explain is the message of an error for an operator: the same in one line, and
// what to do about it in terms of this tool.
func explain(err error) string {
	message := strings.ReplaceAll(err.Error(), "shm: ", "")
	switch {
	case errors.Is(err, shm.ErrNotExist):
		_, path, _ := strings.Cut(err.Error(), shm.ErrNotExist.Error())
		return "no such segment" + path + `: "shmtool ls" lists those there are, --dir names another directory`
	case errors.Is(err, shm.ErrNotSegment):
		return message + `: "shmtool ls" lists the segments`
	case errors.Is(err, shm.ErrVersion):
		return message + `: use the shmtool of the program that made it, or remove it with "shmtool rm --force"`
	case errors.Is(err, shm.ErrCorrupt):
		return message + `: its content cannot be interpreted; "shmtool rm --force" removes it`
	case errors.Is(err, shm.ErrSegmentFault):
		return message + `: "shmtool rm --force" removes what is left of it`
	case errors.Is(err, fs.ErrPermission), errors.Is(err, shm.ErrOwner):
		return message + ": run as the segment's owner or as root"
	}
	return message
}
