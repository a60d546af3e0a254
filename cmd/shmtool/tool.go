package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/aotf/sharedmem/shm"
)

// A command is one of the tool's commands.
type command struct {
	name  string
	args  string // as the usage line shows them
	most  int    // words it takes
	least int
	short string              // one line, for the list of commands
	help  string              // what it does and never does, examples, exit codes
	flags func(*flag.FlagSet) // declares the flags of its own; nil for none
	run   func(*tool) error
	shows bool // content of records: it has --redact

	failed int // exit code of any failure; 0: exitFailed and exitUsage
}

// commands are all commands, in the order in which help lists them.
func commands() []*command {
	return []*command{
		lsCommand(), statCommand(), dumpCommand(), verifyCommand(), topCommand(), watchCommand(), getCommand(),
		createCommand(), resetCommand(), rmCommand(), sweepCommand(), killOwnerCommand(), setCommand(),
		snapshotCommand(), restoreCommand(), stacksCommand(), serveCommand(),
		completionCommand(), versionCommand(), helpCommand(),
	}
}

func findCommand(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return c
		}
	}
	return nil
}

// A tool is one call of the program: the global flags, the words behind the
// command, and where the answer goes.
type tool struct {
	ctx    context.Context
	in     io.Reader
	stdout io.Writer
	stderr io.Writer
	out    *bufio.Writer // of stdout; keeps the first write error; run asks for it at the end
	style  style
	dir    string
	json   bool
	redact bool // of the commands that show content
	help   bool
	args   []string
}

// Exit codes of every command but verify, which has its own.
const (
	exitFailed = 1
	exitUsage  = 2
	exitGone   = 3 // top and watch: the segment went away while they looked
)

// An exitCode ends the program without a message: all is said.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// A usageError is a call that cannot be understood.
type usageError string

func (e usageError) Error() string { return string(e) }

func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// run is the program without its process: tests call it.
func run(ctx context.Context, args []string, in io.Reader, stdout, stderr io.Writer) int {
	t := &tool{ctx: ctx, in: in, stdout: stdout, stderr: stderr,
		out: bufio.NewWriter(stdout), style: style(wantsColor(stdout))}
	cmd, err := t.parse(args)
	switch {
	case err != nil:
	case t.help:
		t.print(cmd.usage())
	default:
		err = cmd.run(t)
	}
	flushed := t.out.Flush()
	var code exitCode
	var usage usageError
	switch {
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage):
		hint := "shmtool help"
		if cmd != nil {
			hint += " " + cmd.name
		}
		complain(stderr, fmt.Sprintf("%s (see %q)", err, hint))
		return cmd.exit(exitUsage)
	case err != nil:
		complain(stderr, explain(err))
		return cmd.exit(exitFailed)
	case flushed != nil:
		if !errors.Is(flushed, syscall.EPIPE) { // a reader that has seen enough needs no message
			complain(stderr, "the output could not be written: "+flushed.Error())
		}
		return cmd.exit(exitFailed)
	}
	return 0
}

func complain(stderr io.Writer, message string) {
	_, _ = fmt.Fprintln(stderr, "shmtool: "+escape(strings.ReplaceAll(message, "\n", "; "))) // nowhere else to say it
}

// exit is the code of a failure: the usual one, unless the command keeps that for
// something else, as verify does. c may be nil.
func (c *command) exit(usual int) int {
	if c != nil && c.failed != 0 {
		return c.failed
	}
	return usual
}

// parse finds the command and sets the flags. The command is returned with an
// error too, when it is known.
func (t *tool) parse(args []string) (*command, error) {
	words, err := setFlags(t.flagSet(nil), args, true)
	if err != nil {
		for _, a := range args { // --dri X verify Y: the exit code is to be verify's
			if c := findCommand(a); c != nil {
				return c, usagef("%v; a command's own flags stand behind it", err)
			}
		}
		return nil, err
	}
	if len(words) == 0 {
		if t.help {
			t.help = false // runs help instead of explaining it
			return findCommand("help"), nil
		}
		return nil, usageError("no command: one of " + strings.Join(commandNames(), ", "))
	}
	cmd := findCommand(words[0])
	if cmd == nil {
		return nil, usagef("unknown command %q%s", words[0], didYouMean(words[0], commandNames()))
	}
	if t.args, err = setFlags(t.flagSet(cmd), words[1:], false); err != nil || t.help {
		return cmd, err
	}
	switch n := len(t.args); {
	case n < cmd.least:
		hint := ""
		if strings.Contains(cmd.args, "NAME") {
			hint = ": \"shmtool ls\" lists the segments"
		}
		return cmd, usagef("%s: missing %s%s", cmd.name, cmd.args, hint)
	case n > cmd.most:
		return cmd, usagef("%s: too many arguments: %q is not wanted", cmd.name, t.args[cmd.most])
	}
	return cmd, nil
}

func commandNames() (names []string) {
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// A place is where a segment lies; arg is what the user called it.
type place struct{ arg, dir, name, path string }

// place finds the segment of the command's NAME: a path when it has a slash.
func (t *tool) place() (place, error) {
	name := t.args[0]
	if strings.Contains(name, "/") {
		return place{name, filepath.Dir(name), filepath.Base(name), name}, nil
	}
	dir, err := t.segmentDir()
	return place{name, dir, name, filepath.Join(dir, name)}, err
}

// segmentDir is the directory of --dir, SHM_DIR or the default, if it is one.
func (t *tool) segmentDir() (string, error) {
	dir, from := t.dir, "--dir"
	if dir == "" {
		dir, from = os.Getenv("SHM_DIR"), "SHM_DIR"
	}
	if dir == "" {
		dir, from = shm.DefaultDir, "the default directory"
	}
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return dir, fmt.Errorf("%s: no directory %s: give one with --dir", from, dir)
	case err != nil:
		return dir, fmt.Errorf("%s: %w", from, err)
	case !st.IsDir():
		return dir, fmt.Errorf("%s: %s is not a directory: give one with --dir", from, dir)
	}
	return dir, nil
}

// inspect opens the segment of the command's NAME for looking only.
func (t *tool) inspect() (*shm.Image, error) {
	p, err := t.place()
	if err != nil {
		return nil, err
	}
	return p.inspect()
}

// options are for the functions that write to a segment.
func (p place) options() *shm.Options {
	opt := &shm.Options{Dir: p.dir}
	if st, err := os.Lstat(p.path); err == nil {
		opt.Mode = st.Mode().Perm() // a segment that a group shares is the operator's too
	}
	return opt
}

func (p place) inspect() (*shm.Image, error) {
	return shm.Inspect(p.arg, &shm.Options{Dir: p.dir})
}
