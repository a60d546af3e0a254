//go:build unix

package gallery

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Opening a named pipe that nobody writes to would hang this test.
func TestHashFileDoesNotWaitForPipes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe.png")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("no named pipes here: %v", err)
	}
	if _, err := HashFile(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("HashFile of a pipe: %v", err)
	}
	if _, err := ReadPage(path); err == nil {
		t.Error("ReadPage of a pipe succeeded")
	}
}
