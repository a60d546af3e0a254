// Shmtool shows, checks, empties and removes the shared-memory segments that
// package shm makes. It is for the operator of a program that uses them: nothing
// of it is needed to run one.
//
//	shmtool ls              the segments there are
//	shmtool stat NAME       how full each object is, and who is attached
//	shmtool dump NAME       everything in it, field by field
//	shmtool verify NAME     what is broken in it, for people and for monitoring
//	shmtool reset NAME      empty it
//	shmtool rm NAME         remove it
//	shmtool create NAME     make it before the first program starts
//
// A segment carries the description of its own content, so ls, stat, dump and
// verify read the segment of any program. They map it read-only, take no place
// in it, hold no lock and disturb nobody: use them on a live system at any time,
// and on a segment whose programs have all crashed. Only create, reset and rm
// change anything; reset and rm refuse while a process is attached, which the
// kernel tells them, unless they are forced.
//
// What a segment holds is shown, never trusted: control characters in it are
// escaped, so that it cannot talk to the terminal.
//
// "shmtool help COMMAND" explains a command, its flags and its exit codes. With
// --json, every command prints one JSON value instead of text.
//
// To read the source: tool.go finds the command and its flags; each command is
// in a file of its name; record.go and dumptext.go make the text of a dump.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// A reader that goes away ("shmtool dump x | head") is a write error, not death.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
