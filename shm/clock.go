package shm

import (
	"crypto/rand"
	"encoding/binary"
	"os"
	"time"
)

func newSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}

func wallNow() uint64 { return uint64(time.Now().UnixNano()) }

func getpid() int { return os.Getpid() }
