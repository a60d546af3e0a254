package main

import (
	"runtime"
	"runtime/debug"

	"github.com/aotf/sharedmem/shm"
)

func versionCommand() *command {
	return &command{
		name: "version", short: "print the versions of the tool and of the segment format",
		help: `Prints the version of the module that the tool was built from ("devel" for a
build from a source tree), the version of the segment format that it reads and
makes, and the version of Go. A segment of another format version is refused by
every command.

It looks at no segment and never changes anything.

Examples:
  shmtool version
  shmtool version --json

Exit codes: 0 printed, 1 the output could not be written, 2 bad usage.`,
		run: version,
	}
}

func version(t *tool) error {
	v := struct {
		Version string `json:"version"`
		Format  int    `json:"format"`
		Go      string `json:"go"`
		System  string `json:"system"`
	}{"devel", shm.FormatVersion, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		v.Version = b.Main.Version
	}
	if t.json {
		return t.printJSON(v)
	}
	t.printf("shmtool %s\nsegment format %d\n%s %s\n", v.Version, v.Format, v.Go, v.System)
	return nil
}
