package sdk_test

import (
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
	for _, pkg := range []string{"cleanroom", "governance", "skr", "skr/snp", "datasink", "dbsecret"} {
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
