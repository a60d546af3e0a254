package main

import (
	"flag"
	"strings"
)

// flagSet holds the global flags and, with a command, those of its own. Flags
// that were set before the command keep their values.
func (t *tool) flagSet(cmd *command) *flag.FlagSet {
	fs := flag.NewFlagSet("shmtool", flag.ContinueOnError)
	fs.StringVar(&t.dir, "dir", t.dir, "look for segments in `DIR` (default $SHM_DIR, else /dev/shm)")
	fs.BoolVar(&t.json, "json", t.json, "print one JSON value instead of text")
	fs.BoolVar(&t.help, "help", t.help, "show this help; also -h")
	if cmd != nil && cmd.shows {
		t.redactFlag(fs)
	}
	if cmd != nil && cmd.flags != nil {
		cmd.flags(fs)
	}
	return fs
}

// setFlags sets the flags among args and returns the other words: flags may
// stand before, behind and between them, and end at "--". With first, it stops
// at the first word. (Package flag alone always does.)
func setFlags(fs *flag.FlagSet, args []string, first bool) (words []string, err error) {
	for len(args) > 0 {
		switch arg := args[0]; {
		case arg == "--":
			return append(words, args[1:]...), nil
		case len(arg) > 1 && arg[0] == '-':
			if args, err = setFlag(fs, arg, args[1:]); err != nil {
				return nil, err
			}
		case first:
			return args, nil
		default:
			words, args = append(words, arg), args[1:]
		}
	}
	return words, nil
}

// setFlag sets the flag of arg: -f, --f, --f=value or, with the value next,
// --f value. It returns what is left of the rest.
func setFlag(fs *flag.FlagSet, arg string, rest []string) ([]string, error) {
	name, value, hasValue := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
	if name == "h" {
		name = "help"
	}
	f := fs.Lookup(name)
	if f == nil {
		var known []string
		fs.VisitAll(func(f *flag.Flag) { known = append(known, "--"+f.Name) })
		return nil, usagef("unknown flag %q%s", arg, didYouMean("--"+name, known))
	}
	if !hasValue && isBool(f) {
		value = "true"
	} else if !hasValue {
		if len(rest) == 0 {
			return nil, usagef("flag --%s wants a value", name)
		}
		value, rest = rest[0], rest[1:]
	}
	if err := f.Value.Set(value); err != nil {
		return nil, usagef("flag --%s: bad value %q: %v", name, value, err)
	}
	return rest, nil
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// didYouMean names the candidate that is most like word, if any is like it.
func didYouMean(word string, candidates []string) string {
	best, least := "", len(word)/2+1
	for _, c := range candidates {
		d := distance(word, c)
		if strings.HasPrefix(c, word) {
			d = 1
		}
		if d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return ": did you mean \"" + best + "\"?"
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour that make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
