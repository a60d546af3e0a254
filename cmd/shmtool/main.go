// Shmtool shows, checks and mends the shared-memory segments that package shm
// makes. It is for the operator of a program that uses them: nothing of it is
// needed to run one.
//
//	shmtool ls              the segments there are
//	shmtool stat NAME       how full each object is, who is attached, who waits for whom
//	shmtool dump NAME       everything in it, field by field
//	shmtool verify NAME     what is broken in it, for people and for monitoring
//	shmtool top NAME        the same as stat, live
//	shmtool watch NAME      a line for each change
//	shmtool get NAME        the few values an operator may want
//	shmtool sweep NAME      recover what the dead left
//	shmtool kill-owner NAME end a process that holds something, and recover it
//	shmtool set NAME stop   tell all its processes to end, or change a setting
//	shmtool reset NAME      empty it
//	shmtool rm NAME         remove it
//	shmtool create NAME     make it before the first program starts
//	shmtool snapshot NAME   copy it to a file
//	shmtool restore FILE    make a segment of such a file, also for another layout
//	shmtool stacks NAME     what the goroutines of its processes do (AOTF's programs)
//	shmtool serve NAME      a page in the browser, and metrics for Prometheus
//	shmtool completion      for bash, zsh and fish
//	shmtool version         of the tool, and the format it reads
//
// A segment carries the description of its own content, so all commands but
// create and stacks work on the segment of any program. Those that look map it read-only,
// take no place in it, hold no lock and disturb nobody: use them on a live system
// at any time, and on a segment whose programs have all crashed.
//
// What a segment holds is shown, never trusted: control characters in it are
// escaped, so that it cannot talk to the terminal.
//
// "shmtool help COMMAND" explains a command, its flags and its exit codes. With
// --json, every command prints JSON instead of text.
//
// To read the source: tool.go finds the command and its flags; each command is
// in a file of its name; record.go and dumptext.go make the text of a dump,
// sample.go what stat, top and their JSON show.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// A reader that goes away ("shmtool dump x | head") is a write error, not death.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
