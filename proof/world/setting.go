package world

import (
	"os"
	"strconv"
	"testing"
)

// Setting is a number from the environment, if it is there.
func Setting(t testing.TB, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		t.Fatalf("%s=%s is no number: %v", name, s, err)
	}
	return n
}
