package shm_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/aotf/sharedmem"

var modules = []string{"github.com/cespare/xxhash/v2", "github.com/edsrzf/mmap-go", "golang.org/x/sys"}

// goFiles yields all Go files of the repository, by their path below its root.
func goFiles(t *testing.T, mode parser.Mode, f func(path string, set *token.FileSet, file *ast.File)) {
	t.Helper()
	root := ".."
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Skip("the repository is not here: ", err)
	}
	set := token.NewFileSet()
	n := 0
	must(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(set, path, nil, mode)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		n++
		f(filepath.ToSlash(rel), set, file)
		return err
	}))
	if n < 40 {
		t.Fatalf("only %d Go files found", n)
	}
}

func isStd(path string) bool { return !strings.Contains(strings.SplitN(path, "/", 2)[0], ".") }

func under(path string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return path == r || strings.HasPrefix(path, r+"/") })
}

// The direction of imports is the architecture.
func TestFence_Imports(t *testing.T) {
	inRepo := func(dirs ...string) (paths []string) {
		for _, d := range dirs {
			paths = append(paths, module+"/"+d)
		}
		return paths
	}
	goFiles(t, parser.ImportsOnly, func(path string, _ *token.FileSet, file *ast.File) {
		test := strings.HasSuffix(path, "_test.go")
		for _, spec := range file.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			must(t, err)
			ok := true
			switch {
			case under(imp, inRepo("cmd", "bench", "examples", "proof")...):
				// Nested modules may have packages of their own.
				top := strings.SplitN(path, "/", 2)[0]
				ok = top != "cmd" && under(imp, inRepo(top)...) && !under(imp, inRepo("cmd")...) || top == "cmd" && strings.Contains(imp, "/internal/")
			case under(path, "shm/shmtest"):
				ok = isStd(imp) || imp == module+"/shm"
			case under(path, "shm"):
				ok = isStd(imp) || under(imp, modules...) || test && under(imp, inRepo("shm")...)
			case under(path, "objects"):
				bad := []string{"unsafe", "syscall", "sync/atomic", "os/signal"}
				ok = !slices.Contains(bad, imp) && (isStd(imp) || imp == module+"/shm" || under(imp, inRepo("objects")...) ||
					test && imp == module+"/shm/shmtest")
			case under(path, "cmd"):
				ok = isStd(imp) && imp != "unsafe" || under(imp, inRepo("shm", "objects")...) ||
					strings.HasPrefix(path, "cmd/shmtool/termios_") && imp == "golang.org/x/sys/unix" ||
					test && under(imp, modules...)
			}
			if !ok {
				t.Errorf("%s imports %s", path, imp)
			}
			if imp == "unsafe" && !test && under(path, "shm") && !strings.HasSuffix(path, "_unsafe.go") {
				t.Errorf("%s imports unsafe: that is for *_unsafe.go", path)
			}
		}
	})
}

func TestFence_Modules(t *testing.T) {
	b, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Skip(err)
	}
	var got []string
	block := false
	for line := range strings.Lines(string(b)) {
		w := strings.Fields(line)
		switch {
		case len(w) == 0:
		case w[0] == "require" && w[1] == "(":
			block = true
		case w[0] == ")":
			block = false
		case w[0] == "require":
			got = append(got, w[1])
		case block:
			got = append(got, w[0])
		case w[0] == "replace" || w[0] == "tool" || w[0] == "toolchain":
			t.Errorf("go.mod has a line %q", line)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, modules) {
		t.Errorf("go.mod requires %v, want %v", got, modules)
	}
}

// noImports lets the type checker go on without the packages that are imported:
// what is asked of it are this package's own types.
type noImports struct{}

func (noImports) Import(path string) (*types.Package, error) {
	return nil, fmt.Errorf("%s: not loaded", path)
}

// sources parses and checks the package's own files for linux/amd64, with one
// of word.go and its twin, and one of the copies.
func sources(t *testing.T, tags ...string) (*token.FileSet, map[string]*ast.File, *types.Info) {
	t.Helper()
	set := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	must(t, err)
	files := map[string]*ast.File{}
	var list []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		must(t, err)
		files[name] = file
		if !strings.HasSuffix(name, "_other.go") && !slices.Contains(tags, name) {
			list = append(list, file)
		}
	}
	info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}
	conf := types.Config{Importer: noImports{}, Error: func(error) {}}
	_, _ = conf.Check("shm", set, list, info)
	return set, files, info
}

// Shared words are touched through word.go and its twin alone.
func TestFence_Words(t *testing.T) {
	wordFiles := []string{"word.go", "word_crashpoint.go"}
	mayRead := map[string][]string{ // words that were copied out, or are hidden from the race detector
		"copy_race.go": {"copyWords"}, "claim.go": {"Plain"}, "blob.go": {"Append"},
		// The kernel wants the address of a futex word, not its value.
		"futex_linux_unsafe.go": {"wait", "futexWait", "futexWakeOwn", "futexWakeAll"},
	}
	for _, without := range [][]string{{"word_crashpoint.go", "crash.go", "copy_race.go"}, {"word.go", "copy.go"}} {
		set, files, info := sources(t, without...)
		seen := 0
		for name, file := range files {
			for _, d := range file.Decls {
				fn, _ := d.(*ast.FuncDecl)
				ast.Inspect(d, func(n ast.Node) bool {
					sel, ok := n.(*ast.SelectorExpr)
					if !ok {
						return true
					}
					if s := info.Selections[sel]; s != nil && slices.Contains(wordFiles, filepath.Base(set.Position(s.Obj().Pos()).Filename)) && sel.Sel.Name == "v" {
						seen++
						if !slices.Contains(wordFiles, name) && (fn == nil || !slices.Contains(mayRead[name], fn.Name.Name)) {
							t.Errorf("%s: the value of a shared word", set.Position(sel.Pos()))
						}
					}
					return true
				})
			}
		}
		if seen < 8 {
			t.Errorf("only %d uses of a word's value were recognised: this test sees nothing", seen)
		}
	}
}

// The functions of sync/atomic, as opposed to its types, are for shared words.
func TestFence_Atomics(t *testing.T) {
	kinds := []string{"Bool", "Int32", "Int64", "Pointer", "Uint32", "Uint64", "Uintptr", "Value"}
	set, files, _ := sources(t)
	calls := map[string]int{}
	for name, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); !ok || x.Name != "atomic" || slices.Contains(kinds, sel.Sel.Name) {
				return true
			}
			calls[name]++
			switch arg := types.ExprString(call.Args[0]); {
			case (name == "word.go" || name == "word_crashpoint.go") && arg == "&w.v":
			case name == "futex_linux_unsafe.go" && arg == "&k.word" && strings.HasSuffix(sel.Sel.Name, "Uint32"):
			default:
				t.Errorf("%s: atomic.%s(%s)", set.Position(call.Pos()), sel.Sel.Name, arg)
			}
			return true
		})
	}
	if calls["word.go"] < 6 || calls["word_crashpoint.go"] < 6 {
		t.Errorf("calls found: %v: this test sees nothing", calls)
	}
}

// Every point is named, and stands in at least one place.
func TestFence_Points(t *testing.T) {
	_, files, _ := sources(t)
	points, named, uses := []string{}, map[string]string{}, map[string]int{}
	ast.Inspect(files["point.go"], func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.ValueSpec:
			for _, id := range x.Names {
				if strings.HasPrefix(id.Name, "pt") {
					points = append(points, id.Name)
				}
			}
		case *ast.KeyValueExpr:
			key, text := types.ExprString(x.Key), types.ExprString(x.Value)
			for other, name := range named {
				if name == text {
					t.Errorf("%s and %s are both named %s", key, other, text)
				}
			}
			named[key] = text
		}
		return true
	})
	for name, file := range files {
		if name == "point.go" {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				uses[id.Name]++
			}
			return true
		})
	}
	if len(points) < 90 {
		t.Fatalf("only %d points found", len(points))
	}
	for _, p := range points {
		if named[p] == "" {
			t.Errorf("%s has no name", p)
		}
		if uses[p] == 0 {
			t.Errorf("%s is used nowhere", p)
		}
	}
}
