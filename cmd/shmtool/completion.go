package main

import (
	"flag"
	"fmt"
	"strings"
)

func completionCommand() *command {
	return &command{
		name: "completion", args: "SHELL", least: 1, most: 1, short: "print the completion script for bash, zsh or fish",
		help: `Prints a script that makes a shell complete commands, flags and the names of
segments. The script is complete in itself: it does not call shmtool.

Examples:
  source <(shmtool completion bash)
  shmtool completion zsh >"${fpath[1]}/_shmtool"
  shmtool completion fish >~/.config/fish/completions/shmtool.fish

Exit codes: 0 printed, 1 the output could not be written, 2 bad usage.`,
		run: func(t *tool) error {
			switch t.args[0] {
			case "bash":
				t.print(bashCompletion())
			case "zsh":
				t.print(zshCompletion())
			case "fish":
				t.print(fishCompletion())
			default:
				return usagef("no completion for %q: want bash, zsh or fish", t.args[0])
			}
			return nil
		},
	}
}

// flagsOf are a command's flags.
func flagsOf(c *command) (list []*flag.Flag) {
	(&tool{}).flagSet(c).VisitAll(func(f *flag.Flag) { list = append(list, f) })
	return list
}

// words are what may stand in place of a command's first word.
func (c *command) words() string {
	switch {
	case strings.HasPrefix(c.args, "NAME"):
		return "segments"
	case c.name == "help":
		return strings.Join(commandNames(), " ")
	case c.name == "completion":
		return "bash zsh fish"
	}
	return ""
}

func bashCompletion() string {
	var b strings.Builder
	b.WriteString(`# bash completion for shmtool
_shmtool() {
    local cur=${COMP_WORDS[COMP_CWORD]} cmd= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in -*) ;; *) cmd=${COMP_WORDS[i]}; break ;; esac
    done
    local words=
    case $cmd in
`)
	fmt.Fprintf(&b, "    '') words='%s' ;;\n", strings.Join(commandNames(), " "))
	for _, c := range commands() {
		var flags []string
		for _, f := range flagsOf(c) {
			flags = append(flags, "--"+f.Name)
		}
		words := c.words()
		if words == "segments" {
			words = "$(cd \"${SHM_DIR:-/dev/shm}\" 2>/dev/null && ls)"
		}
		fmt.Fprintf(&b, "    %s) if [[ $cur == -* ]]; then words='%s'; else words=\"%s\"; fi ;;\n", c.name, strings.Join(flags, " "), strings.ReplaceAll(words, `"$`, `"$`))
	}
	b.WriteString(`    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _shmtool shmtool
`)
	return b.String()
}

func zshCompletion() string {
	var b strings.Builder
	b.WriteString("#compdef shmtool\n_shmtool() {\n    local -a commands\n    commands=(\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "        '%s:%s'\n", c.name, quoteSingle(c.short))
	}
	b.WriteString(`    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    case $words[2] in
`)
	for _, c := range commands() {
		fmt.Fprintf(&b, "    %s)\n        _arguments", c.name)
		for _, f := range flagsOf(c) {
			value, text := flag.UnquoteUsage(f)
			text = quoteSingle(strings.NewReplacer("[", "(", "]", ")", ":", ";").Replace(text))
			switch {
			case isBool(f):
				fmt.Fprintf(&b, " \\\n            '--%s[%s]'", f.Name, text)
			case f.Name == "dir":
				fmt.Fprintf(&b, " \\\n            '--%s[%s]:%s:_directories'", f.Name, text, value)
			default:
				fmt.Fprintf(&b, " \\\n            '--%s[%s]:%s:'", f.Name, text, value)
			}
		}
		switch words := c.words(); words {
		case "":
		case "segments":
			b.WriteString(" \\\n            '*:segment:_files -W ${SHM_DIR:-/dev/shm}'")
		default:
			fmt.Fprintf(&b, " \\\n            '*:word:(%s)'", words)
		}
		b.WriteString(" ;;\n")
	}
	b.WriteString("    esac\n}\nif [ \"$funcstack[1]\" = _shmtool ]; then _shmtool \"$@\"; else compdef _shmtool shmtool; fi\n")
	return b.String()
}

func fishCompletion() string {
	var b strings.Builder
	b.WriteString("# fish completion for shmtool\ncomplete -c shmtool -f\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "complete -c shmtool -n __fish_use_subcommand -a %s -d '%s'\n", c.name, quoteFish(c.short))
		seen := fmt.Sprintf("-n '__fish_seen_subcommand_from %s'", c.name)
		for _, f := range flagsOf(c) {
			_, text := flag.UnquoteUsage(f)
			value := " -x"
			if isBool(f) {
				value = ""
			}
			fmt.Fprintf(&b, "complete -c shmtool %s -l %s%s -d '%s'\n", seen, f.Name, value, quoteFish(text))
		}
		switch words := c.words(); words {
		case "":
		case "segments":
			fmt.Fprintf(&b, "complete -c shmtool %s -a '(set -q SHM_DIR; and ls $SHM_DIR; or ls /dev/shm)'\n", seen)
		default:
			fmt.Fprintf(&b, "complete -c shmtool %s -a '%s'\n", seen, words)
		}
	}
	return b.String()
}

func quoteSingle(s string) string { return strings.ReplaceAll(s, "'", `'\''`) }
func quoteFish(s string) string   { return strings.ReplaceAll(s, "'", `\'`) }
