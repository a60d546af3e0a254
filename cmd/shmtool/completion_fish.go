package main

import (
	"flag"
	"fmt"
	"strings"
)

func fishCompletion() string {
	var b strings.Builder
	b.WriteString(`# fish completion for shmtool
function __shmtool_words # the command and its words, without flags
    set -l flag ''
    for word in (commandline -opc)[2..-1]
        if test -n "$flag"
            set flag ''
            continue
        end
        switch $word
`)
	var flags []string
	for _, f := range valued() {
		flags = append(flags, "--"+f.Name)
	}
	fmt.Fprintf(&b, "            case %s\n                set flag $word\n", strings.Join(flags, " "))
	b.WriteString(`            case '-*'
            case '*'
                echo -- $word
        end
    end
end
function __shmtool_at # COMMAND N: the word to complete is the Nth behind it
    set -l words (__shmtool_words)
    test (count $words) -eq $argv[2]; and begin; test $argv[2] -eq 0; or test "$words[1]" = $argv[1]; end
end
function __shmtool_in # COMMAND
    set -l words (__shmtool_words)
    test "$words[1]" = $argv[1]
end
function __shmtool_segments
    set -l dir /dev/shm
    set -q SHM_DIR; and set dir $SHM_DIR
    set -l words (commandline -opc)
    for i in (seq (count $words))
        switch $words[$i]
            case --dir
                set dir $words[(math $i + 1)]
            case '--dir=*'
                set dir (string replace -- --dir= '' $words[$i])
        end
    end
    for file in $dir/*
        string match -r '^[A-Za-z0-9_][A-Za-z0-9._-]*$' (string replace -r '.*/' '' -- $file)
    end
end
complete -c shmtool -f
`)
	for _, f := range flagsOf(nil) {
		fishFlag(&b, "__shmtool_at '' 0", f)
	}
	for _, c := range commands() {
		fmt.Fprintf(&b, "complete -c shmtool -n \"__shmtool_at '' 0\" -a %s -d '%s'\n", c.name, quoteFish(c.short))
		for _, f := range flagsOf(c) {
			fishFlag(&b, "__shmtool_in "+c.name, f)
		}
		for i, want := range c.wantedWords() {
			here := fmt.Sprintf("complete -c shmtool -n \"__shmtool_at %s %d\"", c.name, i+1)
			switch want {
			case "":
			case wantSegment:
				fmt.Fprintf(&b, "%s -a '(__shmtool_segments)'\n", here)
			case wantFile:
				fmt.Fprintf(&b, "%s -F\n", here)
			default:
				fmt.Fprintf(&b, "%s -a '%s'\n", here, want)
			}
		}
	}
	return b.String()
}

func fishFlag(b *strings.Builder, when string, f *flag.Flag) {
	_, text := flag.UnquoteUsage(f)
	value := ""
	switch want := wantedValue(f); {
	case isBool(f):
	case want == wantDirectory:
		value = " -x -a '(__fish_complete_directories)'"
	case want != "":
		value = " -x -a '" + want + "'"
	default:
		value = " -x"
	}
	fmt.Fprintf(b, "complete -c shmtool -n \"%s\" -l %s%s -d '%s'\n", when, f.Name, value, quoteFish(text))
}

func quoteFish(s string) string { return strings.ReplaceAll(s, "'", `\'`) }
