package sdk_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The shapes of ids: of a finding, of a check, and of a check whose last part
// is made while the program runs.
var (
	findingID   = regexp.MustCompile(`^[A-Z][A-Za-z]{6,}$`)
	checkID     = regexp.MustCompile(`^[a-z][a-z0-9-]*\.[a-z][a-z0-9-]*$`)
	checkPrefix = regexp.MustCompile(`^[a-z][a-z-]*\.$`)
	checkSuffix = regexp.MustCompile(`^\.[a-z]+$`)
)

// documentPaths begin texts that look as ids of checks and are places in a
// document.
var documentPaths = regexp.MustCompile(`^network\.`)

// sources parses the files of a package that are not tests.
func sources(t *testing.T, dir string) map[string]*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.FromSlash(dir), "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s has no sources: %v", dir, err)
	}
	files := map[string]*ast.File{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = f
	}
	return files
}

// text is the value of a literal of a string, or the digits of a number.
func text(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok {
		return "", false
	}
	if l.Kind == token.INT {
		return l.Value, true
	}
	s, err := strconv.Unquote(l.Value)
	return s, err == nil
}

// idSet collects ids.
type idSet map[string]bool

// visit walks all files of a package.
func visit(t *testing.T, dir string, f func(file string, n ast.Node)) {
	t.Helper()
	for name, file := range sources(t, dir) {
		ast.Inspect(file, func(n ast.Node) bool {
			if _, ok := n.(*ast.ImportSpec); ok {
				return false
			}
			f(name, n)
			return true
		})
	}
}

// findings are the ids of Validate and Plan.
func findings(t *testing.T) idSet {
	ids := idSet{}
	visit(t, "cleanroom", func(file string, n ast.Node) {
		if !strings.HasPrefix(file, "validate") && !strings.HasPrefix(file, "plan") {
			return
		}
		if e, ok := n.(ast.Expr); ok {
			if s, ok := text(e); ok && findingID.MatchString(s) {
				ids[s] = true
			}
		}
	})
	return ids
}

// checks are the ids of a package's checks.
func checks(t *testing.T, dir string, but idSet) idSet {
	ids := idSet{}
	var prefixes, suffixes []string
	visit(t, dir, func(_ string, n ast.Node) {
		switch n := n.(type) {
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "parseJWS" {
				prefix, _ := text(n.Args[0])
				prefixes = append(prefixes, prefix)
			}
		case *ast.BinaryExpr:
			if s, ok := text(n.X); ok && checkPrefix.MatchString(s) {
				ids[s+"*"] = true
			}
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "prefix" {
				if s, ok := text(n.Y); ok && checkSuffix.MatchString(s) {
					suffixes = append(suffixes, s)
				}
			}
		case ast.Expr:
			if s, ok := text(n); ok && checkID.MatchString(s) && !documentPaths.MatchString(s) && !but[s] {
				ids[s] = true
			}
		}
	})
	for _, p := range prefixes {
		for _, s := range suffixes {
			ids[p+s] = true
		}
	}
	return ids
}

// keys are those of the map literals that are assigned to the names.
func keys(t *testing.T, dir string, names ...string) idSet {
	ids := idSet{}
	add := func(name string, value ast.Expr) {
		if m, ok := value.(*ast.CompositeLit); ok && slices.Contains(names, name) {
			for _, e := range m.Elts {
				if s, ok := text(e.(*ast.KeyValueExpr).Key); ok {
					ids[s] = true
				}
			}
		}
	}
	visit(t, dir, func(_ string, n ast.Node) {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i := range n.Values {
				add(n.Names[i].Name, n.Values[i])
			}
		case *ast.AssignStmt:
			if x, ok := n.Lhs[0].(*ast.Ident); ok {
				add(x.Name, n.Rhs[0])
			}
		}
	})
	return ids
}

// cases are the constants that the switches of a function tell apart.
func cases(t *testing.T, dir, function string) idSet {
	ids := idSet{}
	visit(t, dir, func(_ string, n ast.Node) {
		if f, ok := n.(*ast.FuncDecl); ok && f.Name.Name == function {
			ast.Inspect(f, func(n ast.Node) bool {
				if c, ok := n.(*ast.CaseClause); ok {
					for _, e := range c.List {
						if s, ok := text(e); ok {
							ids[s] = true
						}
					}
				}
				return true
			})
		}
	})
	return ids
}

// constants are the values of the constants of a type.
func constants(t *testing.T, dir, typ string) idSet {
	ids := idSet{}
	visit(t, dir, func(_ string, n ast.Node) {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if id, ok := v.Type.(*ast.Ident); ok && id.Name == typ {
				s, _ := text(v.Values[0])
				ids[s] = true
			}
		}
	})
	return ids
}

// exportedErrors are the sentinels and the types of errors of the packages that
// users can import.
func exportedErrors(t *testing.T) (sentinels, types idSet) {
	sentinels, types = idSet{}, idSet{}
	packages := 0
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if base := d.Name(); base == "internal" || base == "examples" || base == "testdata" || base == "docs" || name != "." && strings.HasPrefix(base, ".") {
			return fs.SkipDir
		}
		if found, err := filepath.Glob(filepath.Join(filepath.FromSlash(name), "*.go")); err != nil || len(found) == 0 {
			return err
		}
		packages++
		for _, f := range sources(t, name) {
			for _, decl := range f.Decls {
				g, ok := decl.(*ast.GenDecl)
				if !ok {
					continue
				}
				for _, s := range g.Specs {
					switch s := s.(type) {
					case *ast.ValueSpec:
						for _, n := range s.Names {
							if g.Tok == token.VAR && strings.HasPrefix(n.Name, "Err") {
								sentinels[path.Base(name)+"."+n.Name] = true
							}
						}
					case *ast.TypeSpec:
						if s.Name.IsExported() && strings.HasSuffix(s.Name.Name, "Error") {
							types[path.Base(name)+"."+s.Name.Name] = true
						}
					}
				}
			}
		}
		return nil
	})
	if err != nil || packages < 15 {
		t.Fatalf("%d packages: %v", packages, err)
	}
	return sentinels, types
}

func union(sets ...idSet) idSet {
	all := idSet{}
	for _, s := range sets {
		for id := range s {
			all[id] = true
		}
	}
	return all
}

// firstCell is the code span that a row of a table begins with.
var firstCell = regexp.MustCompile("^\\| `([^`]+)` \\| (\\S.*) \\| (\\S.*) \\|$")

// troubles reads the tables below each heading of the page; an id that is there
// twice, and a row without meaning or remedy, are errors.
func troubles(t *testing.T) map[string]idSet {
	t.Helper()
	b, err := os.ReadFile("docs/TROUBLESHOOTING.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]idSet{}
	heading := ""
	for line := range strings.Lines(strings.ReplaceAll(string(b), "\r\n", "\n")) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "## "):
			heading = line[3:]
		case strings.HasPrefix(line, "| `"):
			m := firstCell.FindStringSubmatch(line)
			if m == nil {
				t.Errorf("%s: a row needs an id, a meaning and a remedy: %s", heading, line)
				continue
			}
			if sections[heading] == nil {
				sections[heading] = idSet{}
			}
			if sections[heading][m[1]] {
				t.Errorf("%s: %s is there twice", heading, m[1])
			}
			sections[heading][m[1]] = true
		}
	}
	return sections
}

// TestTroubleshooting: docs/TROUBLESHOOTING.md has a row for each id, code and
// error that the packages can give, and none for one that they cannot.
func TestTroubleshooting(t *testing.T) {
	sentinels, types := exportedErrors(t)
	warnings := keys(t, "governance", "warningRemedies")
	want := []struct {
		heading string
		least   int
		ids     idSet
	}{
		{"Findings about documents", 70, findings(t)},
		{"Checks of package cleanroom", 25, checks(t, "cleanroom", nil)},
		{"Checks of package governance", 30, checks(t, "governance", warnings)},
		{"Warnings of a review", 29, warnings},
		{"Checks of package skr", 55, checks(t, "skr", nil)},
		{"Checks of package skr/snp", 25, checks(t, "skr/snp", nil)},
		{"Codes of the governance service", 75, keys(t, "governance", "remedies")},
		{"Codes of Microsoft Entra", 10, keys(t, "skr", "byCode")},
		{"Codes of storage", 14, keys(t, "datasink", "remedies")},
		{"Codes of a vault that signs", 4, cases(t, "governance/vaultsigner", "remedy")},
		{"Codes of a deployment", 7, cases(t, "cleanroom", "remedyOf")},
		{"Codes of a room of the launcher", 7, constants(t, "cleanroom", "ControlCode")},
		{"Exit codes of an application", 8, cases(t, "cleanroom", "exitMeaning")},
		{"Reasons of a failed unwrap", 10, union(constants(t, "skr", "UnwrapReason"), reasons(t))},
		{"Codes of PostgreSQL", 9, union(keys(t, "dbsecret", "queryRemedies", "connectRemedies"), keys(t, "dbsecret/pgcopy", "remedies"))},
		{"Errors to compare with errors.Is", 15, sentinels},
		{"Errors to find with errors.As", 15, types},
	}
	got := troubles(t)
	for _, w := range want {
		if len(w.ids) < w.least {
			t.Errorf("%s: only %d ids are found in the sources", w.heading, len(w.ids))
		}
		for id := range w.ids {
			if !got[w.heading][id] {
				t.Errorf("%s: %s has no row", w.heading, id)
			}
		}
		for id := range got[w.heading] {
			if !w.ids[id] {
				t.Errorf("%s: there is no %s", w.heading, id)
			}
		}
		delete(got, w.heading)
	}
	for heading := range got {
		t.Errorf("nothing holds the table of %q", heading)
	}
}

// reasons are the names of the list in internal/keywrap.
func reasons(t *testing.T) idSet {
	ids := idSet{}
	visit(t, "internal/keywrap", func(_ string, n ast.Node) {
		if v, ok := n.(*ast.ValueSpec); ok && v.Names[0].Name == "reasons" {
			for _, e := range v.Values[0].(*ast.CompositeLit).Elts {
				if s, ok := text(e); ok && s != "" {
					ids[s] = true
				}
			}
		}
	})
	return ids
}
