package main

import (
	"flag"
	"fmt"
	"strings"
)

func zshCompletion() string {
	var b strings.Builder
	b.WriteString("#compdef shmtool\n_shmtool() {\n    local curcontext=$curcontext state line dir\n    local -A opt_args\n    local -a commands\n    commands=(\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "        '%s:%s'\n", c.name, quoteSingle(c.short))
	}
	b.WriteString("    )\n    _arguments -C")
	zshFlags(&b, nil)
	b.WriteString(` \
            '1:command:->command' '*::argument:->argument'
    if [[ $state == command ]]; then
        _describe command commands
        return
    fi
    [[ $state == argument ]] || return
    dir=${opt_args[--dir]:-${SHM_DIR:-/dev/shm}}
    (( ${words[(I)--dir]} )) && dir=$words[${words[(I)--dir]}+1]
    dir=${dir/#\~\//$HOME/}
    case $words[1] in
`)
	for _, c := range commands() {
		fmt.Fprintf(&b, "    %s)\n        _arguments", c.name)
		zshFlags(&b, c)
		for i, want := range c.wantedWords() {
			fmt.Fprintf(&b, " \\\n            '%d:%s'", i+1, zshWants("argument", want))
		}
		b.WriteString(" ;;\n")
	}
	b.WriteString(`    esac
}
if [ "$funcstack[1]" = _shmtool ]; then _shmtool "$@"; else compdef _shmtool shmtool; fi
`)
	return b.String()
}

func zshFlags(b *strings.Builder, c *command) {
	for _, f := range flagsOf(c) {
		value, text := flag.UnquoteUsage(f)
		text = quoteSingle(strings.NewReplacer("[", "(", "]", ")", ":", ";").Replace(text))
		if isBool(f) {
			fmt.Fprintf(b, " \\\n            '--%s[%s]'", f.Name, text)
		} else {
			fmt.Fprintf(b, " \\\n            '--%s[%s]:%s'", f.Name, text, zshWants(value, wantedValue(f)))
		}
	}
}

// zshWants is MESSAGE:ACTION of what may stand in a place.
func zshWants(message, want string) string {
	switch want {
	case "":
		return message + ": "
	case wantSegment:
		return `segment:_files -W "${(q)dir}"`
	case wantFile:
		return "file:_files"
	case wantDirectory:
		return "directory:_directories"
	}
	return message + ":(" + want + ")"
}

func quoteSingle(s string) string { return strings.ReplaceAll(s, "'", `'\''`) }
