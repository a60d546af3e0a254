package main

import (
	"flag"
	"fmt"
	"strings"
)

func helpCommand() *command {
	return &command{
		name: "help", args: "[COMMAND]", most: 1, short: "explain the tool, or one command",
		help: `Without a command, lists all commands. With one, explains what it does, what
it never does, its flags and its exit codes; COMMAND --help does the same.

Examples:
  shmtool help
  shmtool help verify

Exit codes: 0 done, 1 the output could not be written, 2 bad usage.`,
		run: func(t *tool) error {
			if len(t.args) == 0 {
				t.print(overview())
				return nil
			}
			cmd := findCommand(t.args[0])
			if cmd == nil {
				return usagef("unknown command %q%s", t.args[0], didYouMean(t.args[0], commandNames()))
			}
			t.print(cmd.usage())
			return nil
		},
	}
}

// overview is the help of the whole tool.
func overview() string {
	var b strings.Builder
	b.WriteString(`Shmtool shows, checks, mends, empties and removes shared-memory segments.

Usage: shmtool COMMAND [NAME] [flags]

`)
	rows := [][]string{}
	for _, c := range commands() {
		rows = append(rows, []string{"  " + strings.TrimSpace(c.name+" "+c.args), c.short})
	}
	b.WriteString(table(rows))
	b.WriteString(`
NAME is a segment's name, or a path when it contains a slash. ls, stat, dump,
verify, top, watch and get only look: they disturb nobody and work on live, dead
and broken segments of any program.

Flags, anywhere on the line:
` + flagHelp((&tool{}).flagSet(nil)) + `
"shmtool help COMMAND" explains a command.

Exit codes: 0 done, 1 failed, 2 bad usage, 3 the segment went away (top, watch) or
done, but not wholly (snapshot, restore, stacks); verify has its own.
`)
	return b.String()
}

// usage is the help of one command.
func (c *command) usage() string {
	line := strings.TrimSpace(c.name + " " + c.args)
	return fmt.Sprintf("Usage: shmtool %s [flags]\n\n%s\n\nFlags, before or after the other words:\n%s",
		line, c.help, flagHelp((&tool{}).flagSet(c)))
}

// flagHelp lists flags with what their usage text says of them.
func flagHelp(fs *flag.FlagSet) string {
	rows := [][]string{}
	fs.VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		if isBool(f) {
			value = ""
		}
		rows = append(rows, []string{"  " + strings.TrimSpace("--"+f.Name+" "+value), text})
	})
	return table(rows)
}
