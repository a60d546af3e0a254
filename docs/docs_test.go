// Package docs_test holds what the documents say against the source.
package docs_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aotf/sharedmem/objects/conformance"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// documents yields every document of the repository.
func documents(t *testing.T) (paths []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case filepath.Ext(path) == ".md":
			paths = append(paths, filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 10 {
		t.Fatalf("only %d documents found: %v", len(paths), paths)
	}
	return paths
}

// oldNames are the members of the Python version's objects.
const oldNames = `Shared_Memory User_Requests_Pipeline User_Request Scan_Requests_Pipeline Scan_Request Pyro_Queue Pyro_Semaphore HTTP_Requests_Limitator Limit_per_IP_Address Metrics_Container Threads_Registry Processes_Registry
	open_proxy register_obj get_obj unregister_obj launch_shared_memory keep_threads_alive keep_pyro_alive user_requests scan_requests http_limitator execution_metrics threads_registry processes_registry
	tweets_count accounts_count launch_request launch_direct_request do_not_launch set_request_to_next_step force_end step_1_link_finder_queue step_2_tweets_indexer_queue step_3_reverse_search_queue
	limit_per_ip_addresses thread_step_2_tweets_indexer_sem processing_requests_count get_size shed_requests request_type input_url ip_address is_direct binary_image problem image_urls
	twitter_accounts_with_id utc_timestamp last_seen_indexer has_first_time_scan found_tweets status finished_date get_status_string get_request is_blacklisted queues_sem step_C_index_tweets_queue
	get_tweet_to_index get_indexing_ids end_request account_id account_name is_prioritary reset_SearchAPI_cursor unfound_account has_failed started_SearchAPI_listing started_TimelineAPI_listing
	blocks_list finished_SearchAPI_indexing finished_TimelineAPI_indexing get put qsize acquire release remove_account_id_from_queue can_request reset add_ip_address remove_ip_address add_step_A_time
	add_step_B_time add_step_C_times add_step_1_times add_step_3_times add_user_request_full_time add_scan_request_full_time get_metrics register_thread set_request get_status register_process
	write_stacks get_message`

func TestOldNames(t *testing.T) {
	page := read(t, "objects.md")
	for name := range strings.FieldsSeq(oldNames) {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("objects.md does not say what became of %s", name)
		}
	}
}

// The defects without a scenario are the same in the suite and in the page.
func TestDefectsWithoutScenario(t *testing.T) {
	page := read(t, "objects.md")
	_, table, _ := strings.Cut(page, "## Defects of the Python version")
	table, _, _ = strings.Cut(table, "## Still to come")
	listed := 0
	for n := range 52 {
		if strings.Contains(table, fmt.Sprintf("\n| %d |", n)) {
			listed++
			if conformance.NotOurs[n] == "" {
				t.Errorf("defect %d has a scenario", n)
			}
		}
	}
	if listed != len(conformance.NotOurs) {
		t.Errorf("%d defects are listed, the suite has %d", listed, len(conformance.NotOurs))
	}
}

func lines(s string) int { return strings.Count(s, "\n") }

func TestLengths(t *testing.T) {
	for path, most := range map[string]int{
		"../README.md": 149, "first/main.go": 50, "architecture.md": 200, "format.md": 250, "concurrency.md": 250,
		"recovery.md": 200, "objects.md": 250, "deploy.md": 150, "shmtool.md": 200, "benchmarks.md": 120,
	} {
		if n := lines(read(t, path)); n > most {
			t.Errorf("%s has %d lines, want %d at most", path, n, most)
		}
	}
}

// fenced returns the blocks of code of a document in the given language.
func fenced(doc, language string) (blocks []string) {
	for _, part := range strings.Split(doc, "```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		blocks = append(blocks, block)
	}
	return blocks
}

func TestFirst_IsTheReadmes(t *testing.T) {
	code := fenced(read(t, "../README.md"), "go")
	if len(code) != 1 || code[0] != read(t, "first/main.go") {
		t.Error("the program in README.md is not docs/first/main.go")
	}
}

// The first program is built, and prints what the README says, twice.
func TestFirst_Runs(t *testing.T) {
	const shared = "/dev/shm"
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("shared segments need Linux on amd64 or arm64")
	}
	want := fenced(read(t, "../README.md"), "text")
	if len(want) != 1 {
		t.Fatalf("%d outputs in README.md", len(want))
	}
	dir, err := os.MkdirTemp(shared, "shmtest-docs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	exe := filepath.Join(t.TempDir(), "first")
	if out, err := exec.Command("go", "build", "-o", exe, "./first").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for range 2 {
		var stdout, stderr bytes.Buffer
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), "SHM_DIR="+dir)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil || stderr.Len() > 0 {
			t.Fatalf("%v\n%s", err, &stderr)
		}
		if stdout.String() != want[0] {
			t.Errorf("it prints %q, README.md says %q", &stdout, want[0])
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v (%v)", left, err)
	}
}

var (
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	inCode = regexp.MustCompile("`([^`\n]+)`")
	goFile = regexp.MustCompile(`^[a-z./_]+\.go$`)
)

// anchor is the name that a heading is linked by.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(strings.TrimLeft(heading, "#"))) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Links lead somewhere, and so do the paths of Go files in code.
func TestLinks(t *testing.T) {
	n := 0
	for _, path := range documents(t) {
		doc := read(t, path)
		for _, m := range link.FindAllStringSubmatch(doc, -1) {
			file, part, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			n++
			target := path
			if file != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(path), file))
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link to %s: %v", path, m[1], err)
				continue
			}
			if part != "" && !slices.ContainsFunc(strings.Split(read(t, target), "\n"), func(line string) bool {
				return strings.HasPrefix(line, "#") && anchor(line) == part
			}) {
				t.Errorf("%s: link to %s: no such heading", path, m[1])
			}
		}
		for _, m := range inCode.FindAllStringSubmatch(doc, -1) {
			if !goFile.MatchString(m[1]) {
				continue
			}
			n++
			found := false
			for _, dir := range []string{"..", "../shm", filepath.Dir(path)} {
				_, err := os.Stat(filepath.Join(dir, m[1]))
				found = found || err == nil
			}
			if !found {
				t.Errorf("%s: no file %s", path, m[1])
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d links and files found: this test sees nothing", n)
	}
}

// parse reads the Go files of a package, without tests.
func parse(t *testing.T, dir string) (*token.FileSet, []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return set, files
}

// exported returns the exported names of a package, and Type.Name for fields and
// methods.
func exported(t *testing.T, dir string) map[string]bool {
	names := map[string]bool{}
	_, files := parse(t, dir)
	for _, f := range files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				name := d.Name.Name
				if d.Recv != nil {
					recv := strings.TrimPrefix(types.ExprString(d.Recv.List[0].Type), "*")
					recv, _, _ = strings.Cut(recv, "[")
					name = recv + "." + name
				}
				names[name] = true
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.ValueSpec:
						for _, id := range s.Names {
							names[id.Name] = true
						}
					case *ast.TypeSpec:
						names[s.Name.Name] = true
						var list *ast.FieldList
						switch x := s.Type.(type) {
						case *ast.StructType:
							list = x.Fields
						case *ast.InterfaceType:
							list = x.Methods
						default:
							continue
						}
						for _, field := range list.List {
							for _, id := range field.Names {
								names[s.Name.Name+"."+id.Name] = true
							}
						}
					}
				}
			}
		}
	}
	return names
}

// rows returns the cells of all table rows of a document.
func rows(doc string) (all [][]string) {
	for line := range strings.Lines(doc) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|--") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		all = append(all, cells)
	}
	return all
}

// Every Go name in the tables of objects.md exists.
func TestObjects_Names(t *testing.T) {
	names := map[string]map[string]bool{"": exported(t, "../objects"), "shm.": exported(t, "../shm")}
	n := 0
	check := func(name string) {
		pkg := ""
		if rest, ok := strings.CutPrefix(name, "shm."); ok {
			pkg, name = "shm.", rest
		}
		n++
		if !ast.IsExported(name) || !names[pkg][name] {
			t.Errorf("objects.md: %s%s does not exist", pkg, name)
		}
	}
	for _, row := range rows(read(t, "objects.md")) {
		if len(row) < 2 || row[1] == "Go" {
			continue
		}
		for _, m := range inCode.FindAllStringSubmatch(row[1], -1) {
			if ast.IsExported(m[1]) {
				check(m[1])
			}
		}
		for _, m := range inCode.FindAllStringSubmatch(strings.Join(row[2:], " "), -1) {
			if ast.IsExported(m[1]) || strings.HasPrefix(m[1], "shm.") {
				check(m[1])
			}
		}
	}
	if n < 80 {
		t.Errorf("only %d names found: this test sees nothing", n)
	}
}

// Every number that stands with the name of its constant in format.md is the
// source's; offsets of words are eight times their index.
func TestFormat_Numbers(t *testing.T) {
	set, files := parse(t, "../shm")
	var list []*ast.File
	for _, f := range files { // of the two forms of word.go, one
		if name := filepath.Base(set.Position(f.Pos()).Filename); !strings.HasSuffix(name, "_other.go") &&
			name != "word_crashpoint.go" && name != "crash.go" && name != "copy_race.go" {
			list = append(list, f)
		}
	}
	conf := types.Config{Importer: noImports{}, Error: func(error) {}}
	pkg, _ := conf.Check("shm", set, list, nil)
	value := func(name string) (uint64, bool) {
		c, ok := pkg.Scope().Lookup(name).(*types.Const)
		if !ok {
			return 0, false
		}
		return constant.Uint64Val(constant.ToInt(c.Val()))
	}
	doc := read(t, "format.md")
	n := 0
	compare := func(name, number string, scale uint64) {
		want, err := strconv.ParseUint(number, 0, 64)
		got, ok := value(name)
		if n++; err != nil || !ok || got*scale != want {
			t.Errorf("format.md: %s is %s, the source has %d (%v)", name, number, got*scale, ok)
		}
	}
	for _, row := range rows(doc) {
		if len(row) < 3 {
			continue
		}
		name := strings.Trim(row[1], "`")
		if strings.HasPrefix(name, "head") || strings.HasPrefix(name, "slot") {
			compare(name, row[0], 8)
		}
	}
	for _, m := range regexp.MustCompile("`([a-z][A-Za-z0-9]*)` = ([0-9]+)").FindAllStringSubmatch(doc, -1) {
		compare(m[1], m[2], 1)
	}
	for _, m := range regexp.MustCompile("`(slot[A-Z][a-z]+)` ([0-9]+)").FindAllStringSubmatch(doc, -1) {
		compare(m[1], m[2], 1)
	}
	if m := regexp.MustCompile("0x[0-9a-f]{16}").FindString(doc); m != "" {
		compare("segmentMagic", m, 1)
	}
	if m := regexp.MustCompile(`Format version (\d+)`).FindStringSubmatch(doc); m != nil {
		compare("FormatVersion", m[1], 1)
	}
	if n < 45 {
		t.Errorf("only %d numbers found: this test sees nothing", n)
	}
}

type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, fs.ErrNotExist }
