//go:build !linux

package main

import (
	"os"

	"github.com/aotf/sharedmem/shm"
)

func stopProcess(*os.Process) error { return shm.ErrUnsupported }
