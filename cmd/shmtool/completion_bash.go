package main

import (
	"fmt"
	"strings"
)

// bashCompletion offers names one by one: compgen -W would run what stands in the
// name of a file.
func bashCompletion() string {
	var b strings.Builder
	b.WriteString(`# bash completion for shmtool
_shmtool() {
    local IFS=$' \t\n' cur=${COMP_WORDS[COMP_CWORD]} dir=${SHM_DIR:-/dev/shm} cmd= flag= flags= want= word= i n=0
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        [[ $word == -[!-]* ]] && word=-$word
        if [[ $word == = ]]; then
            continue
        elif [[ -n $flag ]]; then
            [[ $flag == --dir ]] && dir=$word
            flag=
        else
            case $word in
`)
	var flags []string
	for _, f := range valued() {
		flags = append(flags, "--"+f.Name)
	}
	fmt.Fprintf(&b, "            %s) flag=$word ;;\n", strings.Join(flags, " | "))
	b.WriteString(`            --dir=*) dir=${word#*=} ;;
            -*) ;;
            *) if [[ -z $cmd ]]; then cmd=$word; else n=$((n + 1)); fi ;;
            esac
        fi
    done
    [[ $cur == = ]] && cur=
    [[ $dir == '~'/* ]] && dir=$HOME${dir#'~'}
    if [[ -n $flag ]]; then
        case $flag in
`)
	for _, f := range valued() {
		if want := wantedValue(f); want != "" {
			fmt.Fprintf(&b, "        --%s) want='%s' ;;\n", f.Name, want)
		}
	}
	b.WriteString("        esac\n    else\n        case $cmd:$n in\n")
	fmt.Fprintf(&b, "        :*) want='%s' ;;\n", strings.Join(commandNames(), " "))
	for _, c := range commands() {
		for i, want := range c.wantedWords() {
			if want != "" {
				fmt.Fprintf(&b, "        %s:%d) want='%s' ;;\n", c.name, i, want)
			}
		}
	}
	b.WriteString("        esac\n        case $cmd in\n")
	fmt.Fprintf(&b, "        '') flags='%s' ;;\n", flagWords(nil))
	for _, c := range commands() {
		fmt.Fprintf(&b, "        %s) flags='%s' ;;\n", c.name, flagWords(c))
	}
	b.WriteString(`        esac
        [[ $cur == -* ]] && want=$flags
    fi
    [[ $want == SEGMENT && $cur == */* ]] && want=FILE
    case $want in
    SEGMENT)
        for word in "$dir"/*; do
            word=${word##*/}
            [[ $word =~ ^[A-Za-z0-9_][A-Za-z0-9._-]*$ && $word == "$cur"* ]] && COMPREPLY+=("$word")
        done ;;
    FILE | DIRECTORY)
        compopt -o filenames 2>/dev/null
        [[ $want == FILE ]] && flag=-f || flag=-d
        while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen "$flag" -- "$cur") ;;
    *)
        for word in $want; do
            [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
        done ;;
    esac
    return 0
}
complete -F _shmtool shmtool
`)
	return b.String()
}
