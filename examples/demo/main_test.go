package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
)

// asDemo in the environment makes the test's own program the demo. Its
// children need nothing: their first argument says what they are.
const asDemo = "CLEANROOM_TEST_AS_DEMO"

func TestMain(m *testing.M) {
	if os.Getenv(asDemo) != "" || len(os.Args) > 1 && os.Args[1] == childWord {
		main()
	}
	os.Exit(m.Run())
}

// result is how a run of the demo ended.
type result struct {
	code           int
	stdout, stderr string
}

// demo prepares a run in a temporary directory of its own, which has to be
// empty afterwards.
func demo(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	tmp := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append([]string{asDemo + "=1", "TMPDIR=" + tmp, "PATH=" + os.Getenv("PATH"), "HOME=" + tmp}, env...)
	t.Cleanup(func() {
		if left, err := filepath.Glob(filepath.Join(tmp, "*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	return cmd
}

// runToEnd runs the demo to its end.
func runToEnd(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	known := children(t)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	noOrphans(t, known)
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// needDatabase skips where PostgreSQL is missing, unless it is required.
func needDatabase(t *testing.T) {
	t.Helper()
	env, err := cleanroomtest.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer env.Close()
	if _, err := env.StartDatabase(t.Context()); errors.Is(err, cleanroomtest.ErrNoPostgreSQL) && os.Getenv("CLEANROOM_REQUIRE_POSTGRES") == "" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}

func (r result) want(t *testing.T, code int, parts ...string) {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, want %d\n%s\n%s", r.code, code, r.stdout, r.stderr)
	}
	for _, p := range parts {
		if !strings.Contains(r.stdout+r.stderr, p) {
			t.Errorf("the run does not say %q:\n%s\n%s", p, r.stdout, r.stderr)
		}
	}
}

// wantLine wants exactly one line on stderr, which holds the parts.
func (r result) wantLine(t *testing.T, code int, parts ...string) {
	t.Helper()
	r.want(t, code)
	line, rest, _ := strings.Cut(r.stderr, "\n")
	if rest != "" || !strings.HasPrefix(line, "demo: ") {
		t.Errorf("want one line, got %q", r.stderr)
	}
	for _, p := range parts {
		if !strings.Contains(line, p) {
			t.Errorf("the line does not say %q: %s", p, line)
		}
	}
}
