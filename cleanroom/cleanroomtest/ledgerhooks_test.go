package cleanroomtest

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/internal/emulator/ccf"
)

// TestLedgerHasNoHooks keeps away from callers what the replay of recordings
// needs: a clock that stands, and a verdict on evidence that nobody verified.
// The clock has no exported name, and the verdict is that of the machine in the
// one place where a ledger is made.
func TestLedgerHasNoHooks(t *testing.T) {
	var fields []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[ccf.Options]()) {
		if f.IsExported() {
			fields = append(fields, f.Name)
		}
	}
	if !slices.Equal(fields, []string{"Genesis", "VerifyReport"}) {
		t.Errorf("exported options %q", fields)
	}

	set := token.NewFileSet()
	files := sources(t, set)
	ledgers := 0
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if source(t, set, n.Fun) == "ccf.New" {
					ledgers++
					if got := source(t, set, n.Args[0]); got != "ccf.Options{Genesis: genesis, VerifyReport: e.machine.Verify}" {
						t.Errorf("%s: ledger with %s", set.Position(n.Pos()), got)
					}
				}
			case *ast.FuncDecl:
				if n.Name.IsExported() && strings.Contains(source(t, set, n.Type), "ccf.") {
					t.Errorf("%s: %s shows the ledger's service", set.Position(n.Pos()), n.Name)
				}
			case *ast.StructType:
				for _, f := range n.Fields.List {
					exported := len(f.Names) == 0 || slices.ContainsFunc(f.Names, func(i *ast.Ident) bool { return i.IsExported() })
					if exported && strings.Contains(source(t, set, f.Type), "ccf.") {
						t.Errorf("%s: a field shows the ledger's service", set.Position(f.Pos()))
					}
				}
			}
			return true
		})
	}
	if ledgers != 1 || len(files) < 8 {
		t.Errorf("%d places make a ledger in %d files", ledgers, len(files))
	}
}

// sources are the files of this package without its tests.
func sources(t *testing.T, set *token.FileSet) []*ast.File {
	t.Helper()
	dir := os.DirFS(".")
	names, err := fs.Glob(dir, "*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(set, name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

func source(t *testing.T, set *token.FileSet, n ast.Node) string {
	t.Helper()
	var b strings.Builder
	if err := printer.Fprint(&b, set, n); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
