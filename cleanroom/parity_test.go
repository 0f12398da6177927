package cleanroom

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exported are the names of the module's public packages, as package.Name,
// package.Type.Method and package.Type.Field.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, dir := range []string{"cleanroom", "governance", "governance/vaultsigner", "skr", "datasink", "dbsecret"} {
		fset := token.NewFileSet()
		files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(dir), "*.go"))
		must(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
			must(t, err)
			for _, d := range f.Decls {
				declared(d, func(name string) { names[filepath.Base(dir)+"."+name] = true })
			}
		}
	}
	if len(names) < 500 {
		t.Fatalf("%d names", len(names))
	}
	return names
}

func declared(d ast.Decl, add func(string)) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			add(d.Name.Name)
			return
		}
		on := d.Recv.List[0].Type
		if star, ok := on.(*ast.StarExpr); ok {
			on = star.X
		}
		if id, ok := on.(*ast.Ident); ok {
			add(id.Name + "." + d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				for _, n := range s.Names {
					add(n.Name)
				}
			case *ast.TypeSpec:
				add(s.Name.Name)
				var fields *ast.FieldList
				switch u := s.Type.(type) {
				case *ast.StructType:
					fields = u.Fields
				case *ast.InterfaceType:
					fields = u.Methods
				default:
					continue
				}
				for _, f := range fields.List {
					for _, n := range f.Names {
						add(s.Name.Name + "." + n.Name)
					}
				}
			}
		}
	}
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

func spans(cell string) (list []string) {
	for _, m := range codeSpan.FindAllStringSubmatch(cell, -1) {
		list = append(list, m[1])
	}
	return list
}

// tableRows are the cells of the tables of a Markdown file, heads left out.
func tableRows(t *testing.T, file string) (rows [][]string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", file))
	must(t, err)
	for line := range strings.Lines(strings.ReplaceAll(string(b), "\r\n", "\n")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|--") || strings.HasPrefix(line, "| `az cleanroom`") || strings.HasPrefix(line, "| Step of") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

// qualified is a name of a public package.
var qualified = regexp.MustCompile(`^(cleanroom|governance|vaultsigner|skr|datasink|dbsecret)\.[A-Z]\w*(\.[A-Z]\w*)?$`)

// parityCommands are those of the extension, by group: what follows the group's
// name. The groups ccf and cluster are for operators.
var parityCommands = map[string]string{
	"config":                                  "init set-kek disable-sandbox enable-sandbox view create-kek wrap-deks wrap-secret add-application add-application-endpoint validate add-datasource add-datasink set-telemetry set-logging",
	"config add-identity":                     "az-federated az-secret oidc-attested",
	"config network http":                     "enable disable",
	"config network tcp":                      "enable disable",
	"config network dns":                      "enable disable",
	"secretstore":                             "add",
	"datastore":                               "add upload download encrypt decrypt",
	"datasource":                              "upload",
	"datasink":                                "download",
	"logs":                                    "download decrypt",
	"telemetry":                               "download decrypt aspire-dashboard",
	"governance client":                       "deploy remove show show-deployment get-upgrades version get-access-token",
	"governance service":                      "deploy get-upgrades upgrade-constitution upgrade-js-app version",
	"governance service upgrade":              "status",
	"governance contract":                     "create propose vote show",
	"governance contract runtime-option":      "get set propose",
	"governance contract secret":              "set list get-cleanroom-policy",
	"governance contract event":               "list",
	"governance proposal":                     "create vote withdraw list show show-actions",
	"governance user-identity":                "add remove show",
	"governance user-identity invitation":     "create show accept",
	"governance ca":                           "propose-enable generate-key propose-rotate-key show",
	"governance deployment":                   "generate",
	"governance deployment template":          "propose show",
	"governance deployment policy":            "propose show",
	"governance oidc-issuer":                  "propose-enable generate-signing-key propose-rotate-signing-key set-issuer-url propose-set-issuer-url show",
	"governance member-document":              "create propose vote show",
	"governance user-document":                "create propose vote show",
	"governance user-document runtime-option": "get set",
	"governance network":                      "show set-recovery-threshold",
	"governance member":                       "keygenerator-sh get-default-certificate-policy generate-identity-certificate generate-encryption-key add activate show set-tenant-id",
}

// withoutCounterpart are the commands that nothing here replaces.
var withoutCounterpart = []string{
	"telemetry aspire-dashboard", "governance client show-deployment", "governance client get-upgrades", "governance client version", "governance member generate-encryption-key",
}

// TestParity: docs/PARITY.md has each command once, and each Go name in it
// exists.
func TestParity(t *testing.T) {
	names := exported(t)
	missing := map[string]bool{}
	for group, commands := range parityCommands {
		for _, c := range strings.Fields(commands) {
			missing[group+" "+c] = true
		}
	}
	if len(missing) != 108 {
		t.Errorf("%d commands", len(missing))
	}
	scripts := 0
	for _, row := range tableRows(t, "docs/PARITY.md") {
		if len(row) != 3 {
			t.Errorf("%d cells: %v", len(row), row)
			continue
		}
		command, calls := strings.Join(spans(row[0]), " "), spans(row[1])
		if command == "" {
			scripts++
		} else if !missing[command] {
			t.Errorf("%q is no command, or is there twice", command)
		}
		delete(missing, command)
		if none := slices.Contains(withoutCounterpart, command); none != (len(calls) == 0) || none && row[2] == "" {
			t.Errorf("%q has the counterparts %v and the remark %q", command, calls, row[2])
		}
		for _, c := range calls {
			if !qualified.MatchString(c) || !names[c] {
				t.Errorf("%q: there is no %s", row[0], c)
			}
		}
		for _, c := range spans(row[2]) {
			if qualified.MatchString(c) && !names[c] {
				t.Errorf("%q: there is no %s", row[0], c)
			}
		}
	}
	for c := range missing {
		t.Errorf("%q is not in the table", c)
	}
	if scripts != 11 {
		t.Errorf("%d steps of scripts", scripts)
	}
}

// TestParityFindsInvented: the resolver does not take what does not exist.
func TestParityFindsInvented(t *testing.T) {
	names := exported(t)
	for _, name := range []string{"cleanroom.Plan", "cleanroom.PlanInput.Keys", "governance.Client.Propose", "skr.Attester.Attest", "vaultsigner.Signer.SelfSigned", "cleanroom.ApplicationTelemetry", "cleanroom.DatasourceOptions"} {
		if !names[name] {
			t.Errorf("%s is not found", name)
		}
	}
	for _, name := range []string{"cleanroom.Plans", "cleanroom.Client.Propose", "governance.Client.propose", "skr.Plan", "cleanroom.Specification.DisableSandboxes", "cleanroom", ""} {
		if names[name] && ast.IsExported(name[strings.LastIndex(name, ".")+1:]) {
			t.Errorf("%s is found", name)
		}
	}
}

// TestParityOfReadme: the short table of the README names members without
// their packages; each exists in some package.
func TestParityOfReadme(t *testing.T) {
	names := exported(t)
	known := func(name string) bool {
		name, _, _ = strings.Cut(name, "(")
		for n := range names {
			if n == name || strings.HasSuffix(n, "."+name) {
				return true
			}
		}
		return false
	}
	n := 0
	for _, row := range tableRows(t, "README.md") {
		if len(row) != 2 {
			t.Errorf("%d cells: %v", len(row), row)
			continue
		}
		for _, c := range spans(row[1]) {
			n++
			if !known(c) {
				t.Errorf("%q: there is no %s", row[0], c)
			}
		}
	}
	if n < 40 {
		t.Errorf("%d names", n)
	}
	if known("Specifications.AddIdentity") || known("Propos") {
		t.Error("an invented name is found")
	}
}
