package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// farm is a program that the tool was not built with.
const farm = `package main

import (
	"fmt"
	"os"

	"github.com/aotf/sharedmem/shm"
)

type crate struct {
	Label  [24]byte ` + "`shm:\"text\"`" + `
	Weight float64
	Fruit  uint32 ` + "`shm:\"enum=apple|quince\"`" + `
	_      [4]byte
	Above  shm.Ref[crate]
}

type orchard struct {
	Crates shm.Arena[crate]
	Ripe   shm.Ring[crate]
}

func (o *orchard) Define(l *shm.Layout) {
	o.Crates.Define(l, "crates", 8)
	o.Ripe.Define(l, "ripe", &o.Crates)
}

func main() {
	o := &orchard{}
	s, err := shm.Create(os.Args[1], o, nil)
	if err != nil {
		panic(err)
	}
	c, err := o.Crates.TryNew()
	if err != nil {
		panic(err)
	}
	r := c.Record()
	if err := shm.PutText(r.Label[:], "north slope"); err != nil {
		panic(err)
	}
	r.Weight, r.Fruit, r.Above = 12.5, 1, c.Ref()
	if err := o.Ripe.TryPut(c); err != nil {
		panic(err)
	}
	fmt.Println("made")
	_, _ = fmt.Scanln()
	_ = s
}
`

// A program that is built from source that is not in this tree: its records are
// shown by field name, while it runs and after it was killed.
func TestDump_OfAnyProgram(t *testing.T) {
	root, err := filepath.Abs("../..")
	must(t, err)
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Skip("the repository is not here: ", err)
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no Go tool: ", err)
	}
	dir := t.TempDir()
	own, err := os.ReadFile(filepath.Join(root, "go.mod"))
	must(t, err)
	_, requires, _ := strings.Cut(string(own), "require")
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(farm), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.org/orchard\n\ngo 1.25.0\n\nrequire github.com/aotf/sharedmem v0.0.0\n\nrequire"+requires+
		"\nreplace github.com/aotf/sharedmem => "+root+"\n"), 0o600))
	build := exec.Command(goTool, "build", "-o", "orchard", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	name := shmtest.Name(t)
	cmd := exec.Command(filepath.Join(dir, "orchard"), name)
	in, err := cmd.StdinPipe()
	must(t, err)
	out := &lineReader{}
	cmd.Stdout, cmd.Stderr = out, out
	must(t, cmd.Start())
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	out.want(t, "made")
	for _, dead := range []bool{false, true} {
		if dead {
			must(t, cmd.Process.Kill())
			_ = cmd.Wait()
		}
		text, _ := call(t, 0, "dump", name)
		for _, want := range []string{"arena crates: 1 of 8 records", "1.0.1  posted in ripe", `Label   "north slope"`, "Weight  12.5", "Fruit   quince", "Above   1.0.1"} {
			if !strings.Contains(text, want) {
				t.Errorf("dead %v: no %q in\n%s", dead, want, text)
			}
		}
	}
	if s := decode[swept](t, 0, "sweep", name); s.Report.Dead != 1 {
		t.Errorf("%+v", s)
	}
}

// Every finding that package shm can make is explained, by its own text.
func TestFindings_AreExplained(t *testing.T) {
	const source = "../../shm/verify.go"
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
	if err != nil {
		t.Skip("the source is not here: ", err)
	}
	formats := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 3 {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); !ok || sel.Sel.Name != "add" {
			return true
		}
		lit, ok := call.Args[2].(*ast.BasicLit)
		if !ok {
			t.Errorf("%s: a finding whose text is no literal", source)
			return true
		}
		format, err := strconv.Unquote(lit.Value)
		must(t, err)
		formats[format] = true
		severity, _ := call.Args[0].(*ast.Ident)
		m, ok := meanings[format]
		if !ok {
			t.Errorf("finding %q is not explained", format)
		} else if repairable := severity != nil && severity.Name == "Repairable"; repairable != (m.mend == mendSweep) {
			t.Errorf("finding %q is %s, and mended by %s", format, severity.Name, m.mend)
		}
		args := []any{}
		for _, verb := range knownVerb.FindAllString(format, -1) {
			if verb == "%s" {
				args = append(args, "record 1.7.2")
			} else {
				args = append(args, 3)
			}
		}
		if got := meaningOf(shm.Finding{What: fmt.Sprintf(format, args...)}); ok && got != m {
			t.Errorf("%q is explained as %+v", fmt.Sprintf(format, args...), got)
		}
		return true
	})
	for format := range meanings {
		if !formats[format] {
			t.Errorf("an explanation of %q, which is no finding", format)
		}
	}
	if len(formats) < 20 {
		t.Errorf("only %d findings found: this test sees nothing", len(formats))
	}
}
