//go:build linux || darwin

package postgres

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helperVariable makes the test program start a cluster in the directory it
// names, say so, and wait.
const helperVariable = "CLEANROOM_POSTGRES_HELPER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperVariable); dir != "" {
		c, err := Start(context.Background(), Options{Dir: dir})
		if err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		fmt.Println("ready", c.Port)
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends it
		if err := c.Stop(); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// helper runs the test program again, under uid unless that is negative, and
// waits until its cluster is ready if it is told to.
func helper(t *testing.T, base string, uid int, ready bool) (*exec.Cmd, io.WriteCloser) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), helperVariable+"="+base)
	if uid >= 0 {
		cmd.Path = publicCopy(t, program)
		cmd.Dir = base
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if ready {
		if line, err := bufio.NewReader(out).ReadString('\n'); !strings.HasPrefix(line, "ready") {
			t.Fatalf("the helper says %q, %v", line, err)
		}
	}
	return cmd, in
}

// publicCopy makes the test program runnable by another account.
func publicCopy(t *testing.T, program string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "crtbin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	content, err := os.ReadFile(program)
	path := filepath.Join(dir, "helper")
	if err := errors.Join(err, os.Chmod(dir, 0o755), os.WriteFile(path, content, 0o755)); err != nil {
		t.Fatal(err)
	}
	return path
}

// processesOf lists the processes that have dir in their arguments.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	if _, err := os.Stat("/proc/self/cmdline"); err == nil {
		var found []string
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range files {
			if args, err := os.ReadFile(file); err == nil && bytes.Contains(args, []byte(dir)) {
				found = append(found, file+": "+string(bytes.ReplaceAll(args, []byte{0}, []byte{' '})))
			}
		}
		return found
	}
	out, err := exec.Command("ps", "-axo", "pid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, dir) {
			found = append(found, line)
		}
	}
	return found
}

// eventuallyNothing waits for the watchdog of a process that has died.
func eventuallyNothing(t *testing.T, base string) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-ticker.C {
		if len(entries(t, base)) == 0 && len(processesOf(t, base)) == 0 {
			return
		}
	}
	t.Errorf("left behind: %v %v", entries(t, base), processesOf(t, base))
}

// TestKilled ends the program in ways in which it can clear up nothing itself.
func TestKilled(t *testing.T) {
	requireServer(t)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(s.String(), func(t *testing.T) {
			base := reachable(t)
			cmd, _ := helper(t, base, -1, true)
			if len(processesOf(t, base)) < 2 { // the server and the watchdog
				t.Errorf("processes: %v", processesOf(t, base))
			}
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			eventuallyNothing(t, base)
		})
	}
}

// TestKilledInInitdb kills the program while initdb writes.
func TestKilledInInitdb(t *testing.T) {
	requireServer(t)
	base := reachable(t)
	cmd, _ := helper(t, base, -1, false)
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for len(entries(t, filepath.Join(base, "*", "data", "base"))) == 0 {
		select {
		case <-ticker.C:
		case <-t.Context().Done():
			t.Fatal("initdb has not begun")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	eventuallyNothing(t, base)
}

// TestWatchdogKilled kills the program and the watchdog; the next start removes
// what they left. The server would notice within a minute; the test tells it.
func TestWatchdogKilled(t *testing.T) {
	requireServer(t)
	base := reachable(t)
	cmd, _ := helper(t, base, -1, true)
	left := entries(t, base)
	pid, err := os.ReadFile(filepath.Join(left[0], "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	server, err := strconv.Atoi(strings.SplitN(string(pid), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	watchdog, err := syscall.Getpgid(server) // leads the server's group
	if err != nil {
		t.Fatal(err)
	}
	if own, _ := syscall.Getpgid(cmd.Process.Pid); own == watchdog {
		t.Error("Ctrl-C would reach the server together with the program")
	}
	if err := errors.Join(syscall.Kill(watchdog, syscall.SIGKILL), cmd.Process.Kill()); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if len(entries(t, base)) != 1 {
		t.Fatalf("expected a stale directory: %v", entries(t, base))
	}
	c := start(t, Options{Dir: base, NoSampleData: true})
	if now := entries(t, base); len(now) != 1 || now[0] != c.process.dir {
		t.Errorf("the stale directory is still there: %v", now)
	}
	if err := syscall.Kill(server, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	eventuallyNothing(t, left[0])
}

// TestOrdinaryUser starts a cluster without root.
func TestOrdinaryUser(t *testing.T) {
	requireServer(t)
	if os.Geteuid() != 0 {
		t.Skip("the other tests of this run have shown it: they are not root")
	}
	const nobody = 65534
	base := reachable(t)
	if err := os.Chown(base, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd, in := helper(t, base, nobody, true)
	in.Close() // ends it in order
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	wantNothing(t, base, base)
}
