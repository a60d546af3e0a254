package main

import (
	"flag"
	"strings"
)

func completionCommand() *command {
	return &command{
		name: "completion", args: "SHELL", least: 1, most: 1, short: "print the completion script for bash, zsh or fish",
		help: `Prints a script that makes a shell complete commands, flags, values of flags, files
and the names of segments, in the directory of --dir if one is given. The script is
complete in itself: it does not call shmtool.

Examples:
  source <(shmtool completion bash)
  shmtool completion zsh >"${fpath[1]}/_shmtool"
  shmtool completion fish >~/.config/fish/completions/shmtool.fish

Exit codes: 0 printed, 1 the output could not be written, 2 bad usage.`,
		run: func(t *tool) error {
			script, ok := completions[t.args[0]]
			if !ok {
				return usagef("no completion for %q: want bash, zsh or fish", t.args[0])
			}
			if text := script(); t.json {
				return t.printJSON(struct {
					Script string `json:"script"`
				}{text})
			} else {
				t.print(text)
			}
			return nil
		},
	}
}

var completions map[string]func() string

func init() { // not above: the scripts are of all commands, this one included
	completions = map[string]func() string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
}

// flagsOf are a command's flags.
func flagsOf(c *command) (list []*flag.Flag) {
	(&tool{}).flagSet(c).VisitAll(func(f *flag.Flag) { list = append(list, f) })
	return list
}

// What may stand in a place where a word or a flag's value is wanted, if it is
// not one of some words.
const (
	wantSegment   = "SEGMENT"
	wantFile      = "FILE"
	wantDirectory = "DIRECTORY"
)

// wantedWords says for each word of a command what it may be, "" anything.
func (c *command) wantedWords() (list []string) {
	for _, arg := range strings.Fields(c.args) {
		want := ""
		switch strings.Trim(arg, "[]") {
		case "NAME":
			want = wantSegment
		case "FILE":
			want = wantFile
		case "COMMAND":
			want = strings.Join(commandNames(), " ")
		case "SHELL":
			want = "bash zsh fish"
		case "KEY":
			want = "stop state processes"
		case "stop":
			want = arg
		}
		list = append(list, want)
	}
	return list
}

// wantedValue says what the value of a flag may be, "" anything.
func wantedValue(f *flag.Flag) string {
	switch f.Name {
	case "dir", "from":
		return wantDirectory
	case "status":
		return strings.Join(recordStates, " ")
	case "order":
		return "segment name use rate"
	}
	return ""
}

// valued are all flags that have a value, once each.
func valued() (list []*flag.Flag) {
	seen := map[string]bool{}
	for _, c := range commands() {
		for _, f := range flagsOf(c) {
			if !isBool(f) && !seen[f.Name] {
				seen[f.Name] = true
				list = append(list, f)
			}
		}
	}
	return list
}

// flagWords are the flags of a command, nil for those of all, as typed.
func flagWords(c *command) string {
	var list []string
	for _, f := range flagsOf(c) {
		list = append(list, "--"+f.Name)
	}
	return strings.Join(list, " ")
}
