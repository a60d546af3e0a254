package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/shm"
)

// terminal opens a pseudo-terminal: what is written to keys is typed, what the
// program shows is read from screen.
func terminal(t *testing.T, columns, rows uint16) (keys, slave *os.File, shown *lineReader) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	must(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	must(t, err)
	slave, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { _ = slave.Close() })
	resize(t, slave, columns, rows)
	shown = &lineReader{}
	go func() { _, _ = io.Copy(shown, master) }() // ends with the terminal
	return master, slave, shown
}

func resize(t *testing.T, f *os.File, columns, rows uint16) {
	t.Helper()
	must(t, unix.IoctlSetWinsize(int(f.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}))
}

func mode(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	must(t, err)
	return *m
}

// lastFrame is what was drawn last.
func lastFrame(s string) string { return s[strings.LastIndex(s, home):] }

func signalSelf(t *testing.T, sig syscall.Signal) {
	t.Helper()
	self, err := os.FindProcess(os.Getpid())
	must(t, err)
	must(t, self.Signal(sig))
}

func TestTop_Terminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	name := aotfSegment(t, 5)
	keys, slave, shown := terminal(t, 80, 24)
	before := mode(t, slave)
	code, errs := begin(t.Context(), slave, slave, "top", name, "--every", "1h")
	shown.want(t, "(now segment)")
	if m := mode(t, slave); m.Lflag&(unix.ICANON|unix.ECHO) != 0 {
		t.Error("keys are not read one by one")
	}
	for _, c := range []struct{ key, want string }{{"u", "(now use)"}, {"r", "(now rate)"}, {"n", "(now name)"}, {" ", "(now name)"}} {
		_, err := keys.WriteString(c.key)
		must(t, err)
		shown.want(t, c.want)
	}
	frame := lastFrame(shown.String())
	if n := strings.Count(frame, "\n"); n > 24 {
		t.Errorf("%d lines on a screen of 24", n)
	}
	if !strings.Contains(frame, "processes: 1 attached") {
		t.Errorf("no processes on a small screen:\n%q", frame)
	}
	// Down by one line nothing is left out before the end, and that does not fit yet.
	_, err := keys.WriteString("j")
	must(t, err)
	for frame = lastFrame(shown.String()); strings.Contains(frame, "OBJECT") || !strings.Contains(frame, "(now"); frame = lastFrame(shown.String()) {
	}
	if strings.Contains(frame, "link finder 1") || !strings.Contains(frame, "more lines") {
		t.Errorf("scrolled by one:\n%q", frame)
	}
	_, err = keys.WriteString(strings.Repeat("j", 200))
	must(t, err)
	shown.want(t, "link finder 1")
	_, err = keys.WriteString(strings.Repeat("k", 200) + "u")
	must(t, err)
	for !strings.Contains(lastFrame(shown.String()), "(now use)") { // all of them are drawn
	}
	resize(t, slave, 30, 9)
	n := len(shown.String())
	signalSelf(t, syscall.SIGWINCH)
	for len(shown.String()) == n || !strings.HasSuffix(shown.String(), "\x1b[0m") { // drawn anew, and wholly
	}
	for line := range strings.Lines(strings.TrimPrefix(lastFrame(shown.String()), home)) {
		plain := strings.NewReplacer(clearLine, "", clearBelow, "", "\r", "", "\n", "", "\x1b[0m", "", "\x1b[1m", "", "\x1b[2m", "", "\x1b[31m", "").Replace(line)
		if len(plain) > 30 {
			t.Errorf("%d columns of 30: %q", len(plain), plain)
		}
	}
	if got := strings.Count(lastFrame(shown.String()), "\n"); got > 9 {
		t.Errorf("%d lines on a screen of 9", got)
	}
	must(t, shm.Remove(name, nil, true)) // no longer the terminal's business
	_, err = keys.WriteString(" ")
	must(t, err)
	shown.want(t, "gone")
	_, err = keys.WriteString("q")
	must(t, err)
	ended(t, code, exitGone)
	if mode(t, slave) != before {
		t.Error("the terminal is not what it was")
	}
	shown.want(t, leaveScreen)
	if errs.String() != "" {
		t.Error(errs)
	}
}

// However it ends, the terminal is what it was.
func TestTop_TerminalRestored(t *testing.T) {
	t.Setenv("TERM", "xterm")
	for what, end := range map[string]func(t *testing.T, keys *os.File){
		"interrupt key": func(t *testing.T, keys *os.File) { _, err := keys.Write([]byte{3}); must(t, err) },
		"SIGTERM":       func(t *testing.T, _ *os.File) { signalSelf(t, syscall.SIGTERM) },
		"SIGHUP":        func(t *testing.T, _ *os.File) { signalSelf(t, syscall.SIGHUP) },
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			_, name := openShop(t)
			keys, slave, shown := terminal(t, 80, 24)
			before := mode(t, slave)
			code, _ := begin(t.Context(), slave, slave, "top", name)
			shown.want(t, "(now segment)")
			if mode(t, slave) == before {
				t.Error("the mode did not change: this test sees nothing")
			}
			end(t, keys)
			ended(t, code, 0)
			if mode(t, slave) != before {
				t.Error("the terminal is not what it was")
			}
			shown.want(t, leaveScreen)
		})
	}
	t.Run("failure", func(t *testing.T) { // a defect of the drawing
		_, slave, shown := terminal(t, 80, 24)
		before := mode(t, slave)
		tool := &tool{ctx: t.Context(), in: slave, stdout: slave, out: nil}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("it was to panic")
				}
			}()
			_ = (&topView{t: tool}).live(t.Context(), &screen{slave, slave})
		}()
		if mode(t, slave) != before {
			t.Error("the terminal is not what it was")
		}
		_ = shown
	})
}

func TestColours(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	name := closedShop(t)
	answer := func() string {
		t.Helper()
		_, slave, shown := terminal(t, 80, 24)
		if code := run(t.Context(), []string{"stat", name}, strings.NewReader(""), slave, io.Discard); code != 0 {
			t.Fatal(code)
		}
		shown.want(t, "processes:")
		shown.want(t, "attached")
		return shown.String()
	}
	if !strings.Contains(answer(), "\x1b[1m") {
		t.Error("no colour on a terminal")
	}
	t.Setenv("NO_COLOR", "1")
	if strings.Contains(answer(), "\x1b") {
		t.Error("colour in spite of NO_COLOR")
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	if strings.Contains(answer(), "\x1b") {
		t.Error("colour on a dumb terminal")
	}
	if out, _ := call(t, 0, "stat", name); strings.Contains(out, "\x1b") {
		t.Error("colour in a pipe")
	}
}

func stopProcess(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }
