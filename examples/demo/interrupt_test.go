//go:build unix

package main

import (
	"bufio"
	"bytes"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestInterrupt stops the run at several places, as Ctrl-C does. The signal
// goes to the whole process group, as it does from a terminal.
func TestInterrupt(t *testing.T) {
	needDatabase(t)
	for _, at := range []string{"local ", "activated", "contract collab1-db", "token issuer published", "container group launched", "audit event written", "output downloaded"} {
		t.Run(strings.TrimSpace(at), func(t *testing.T) {
			known := children(t)
			out := t.TempDir()
			cmd := demo(t, nil, "-out", out)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			said := ""
			for lines := bufio.NewScanner(stdout); lines.Scan(); {
				said += lines.Text() + "\n"
				if strings.Contains(lines.Text(), at) {
					if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
						t.Fatal(err)
					}
				}
			}
			_ = cmd.Wait() // the exit code is looked at below
			noOrphans(t, known)
			r := result{cmd.ProcessState.ExitCode(), said, stderr.String()}
			r.wantLine(t, 1, "interrupted")
			if names := list(t, out); len(names) > 0 {
				t.Errorf("left %q", names)
			}
		})
	}
}

// TestClosedPipe: whoever stops reading does not leave a server behind.
func TestClosedPipe(t *testing.T) {
	needDatabase(t)
	known := children(t)
	cmd := demo(t, nil, "-out", t.TempDir())
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := stdout.Close(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code is looked at below
	noOrphans(t, known)
	if code := cmd.ProcessState.ExitCode(); !slices.Contains([]int{0, 1}, code) {
		t.Errorf("exit code %d", code)
	}
}
