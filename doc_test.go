package sdk_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/cleanroom-go/sdk"

// deps lists every package of the module with all that it imports, directly
// and indirectly, tests left out.
func deps(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Deps " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		all[fields[0]] = fields[1:]
	}
	if len(all) < 10 {
		t.Fatalf("go list names %d packages", len(all))
	}
	return all
}

// TestImports holds the direction of imports: product packages never reach an
// emulator, and the core stays light.
func TestImports(t *testing.T) {
	all := deps(t)
	has := func(pkg, dep string) bool {
		for _, d := range all[pkg] {
			if d == dep || strings.HasPrefix(d, dep+"/") {
				return true
			}
		}
		return false
	}
	type rule struct{ pkg, dep string }
	var forbidden []rule
	for _, pkg := range []string{"cleanroom", "governance", "skr", "skr/snp", "datasink", "dbsecret", "record"} {
		forbidden = append(forbidden,
			rule{pkg, module + "/internal/emulator"},
			rule{pkg, module + "/internal/testpki"},
			rule{pkg, module + "/cleanroom/cleanroomtest"},
			rule{pkg, "testing"})
	}
	for _, pkg := range []string{"governance", "datasink"} {
		for _, dep := range []string{"skr", "dbsecret", "cleanroom"} {
			forbidden = append(forbidden, rule{pkg, module + "/" + dep})
		}
	}
	forbidden = append(forbidden,
		rule{"governance", module + "/datasink"}, rule{"datasink", module + "/governance"},
		rule{"record", module + "/governance"}, rule{"record", module + "/skr"}, rule{"record", module + "/datasink"}, rule{"record", module + "/dbsecret"}, rule{"record", module + "/cleanroom"},
		rule{"dbsecret", module + "/governance"}, rule{"dbsecret", module + "/datasink"}, rule{"dbsecret", module + "/cleanroom"},
		rule{"skr", module + "/governance"}, rule{"skr", module + "/datasink"}, rule{"skr", module + "/dbsecret"}, rule{"skr", module + "/cleanroom"},
		rule{"skr", "github.com/google/go-sev-guest"})
	for _, r := range forbidden {
		if _, ok := all[module+"/"+r.pkg]; !ok {
			t.Errorf("there is no package %s", r.pkg)
		} else if has(module+"/"+r.pkg, r.dep) {
			t.Errorf("%s reaches %s", r.pkg, r.dep)
		}
	}
	for pkg := range all {
		switch {
		case has(pkg, "github.com/apache/arrow-go"):
			t.Errorf("%s reaches Apache Arrow: pin azblob", pkg)
		case pkg == module+"/examples/demo", strings.HasPrefix(pkg, module+"/internal/emulator"), pkg == module+"/cleanroom/cleanroomtest":
		case has(pkg, module+"/cleanroom/cleanroomtest"), has(pkg, module+"/internal/emulator"):
			t.Errorf("%s reaches the local environment", pkg)
		}
	}
}

// TestREADME: the program in the README is the one that the example compiles.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, found := strings.Cut(string(readme), "```go\n")
	program, _, closed := strings.Cut(program, "```")
	if !found || !closed || !strings.HasPrefix(program, "func run(") {
		t.Fatal("the README has no program")
	}
	example, err := os.ReadFile("cleanroom/example_room_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(example), program) {
		t.Error("the README's program is not that of cleanroom/example_room_test.go")
	}
}

// TestProgramsAreShort holds the length of the programs that users shall
// write: 150 lines for a party, 60 in the room.
func TestProgramsAreShort(t *testing.T) {
	for name, limit := range map[string]int{"publisher": 150, "consumer": 150, "query": 60} {
		for _, file := range []string{"examples/internal/" + name + "/" + name + ".go", "examples/" + name + "/main.go"} {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(b), "\n"); n >= limit {
				t.Errorf("%s has %d lines, must have less than %d", file, n, limit)
			}
		}
	}
}
