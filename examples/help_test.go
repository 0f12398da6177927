package examples_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestHelpFitsAScreen: what -h says has room in 80 columns and 24 lines, with
// the exit codes, and nothing of it is a result.
func TestHelpFitsAScreen(t *testing.T) {
	dir := t.TempDir()
	programs := []string{"consumer", "demo", "publisher", "query", "report", "verifyreport"}
	build := []string{"build", "-o", dir}
	for _, p := range programs {
		build = append(build, "./"+p)
	}
	if out, err := exec.Command("go", build...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	helps := [][]string{{"publisher", "provide"}, {"publisher", "describe"}, {"consumer", "describe"}, {"consumer", "plan"}}
	for _, p := range programs {
		helps = append(helps, []string{p})
	}
	for _, help := range helps {
		out, err := exec.Command(dir+"/"+help[0], append([]string{"-h"}, help[1:]...)...).CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v", help, err)
		}
		lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		if len(lines) > 24 || len(lines) < 3 {
			t.Errorf("%q: %d lines:\n%s", help, len(lines), out)
		}
		for _, line := range lines {
			if utf8.RuneCountInString(line) > 80 {
				t.Errorf("%q: a line of %d: %s", help, utf8.RuneCountInString(line), line)
			}
		}
		if len(help) == 1 && !strings.Contains(string(out), "xit codes: 0 ") {
			t.Errorf("%q: no exit codes:\n%s", help, out)
		}
	}
	var exit *exec.ExitError
	if out, err := exec.Command(dir+"/publisher", "-h", "nothing").CombinedOutput(); !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("help about no step: %v\n%s", err, out)
	}
}
