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
	case errors.Is(err, shm.ErrExist):
		return rephrase(message, shm.ErrExist, "there is a segment already") + `: "shmtool rm" removes it, "shmtool reset" empties it`
	case errors.Is(err, shm.ErrNotSegment):
		return message + `: "shmtool ls" lists the segments`
	case errors.Is(err, shm.ErrVersion):
		return rephrase(message, shm.ErrVersion, "segment has another format version") + `: use the shmtool of the program that made it, or remove it with "shmtool rm --force"`
	case errors.Is(err, shm.ErrCorrupt):
		return strings.ReplaceAll(message, ": run shmtool verify", "") + `: its content cannot be interpreted; "shmtool rm --force" removes it`
	case errors.Is(err, shm.ErrSegmentFault):
		return message + `: "shmtool rm --force" removes what is left of it`
	case errors.Is(err, fs.ErrPermission), errors.Is(err, shm.ErrOwner):
		return message + ": run as the segment's owner or as root"
	}
	return message
}

// rephrase says an error of package shm without its advice, which is for programs.
func rephrase(message string, of error, text string) string {
	return strings.ReplaceAll(message, strings.ReplaceAll(of.Error(), "shm: ", ""), text)
}
