package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Processes whose parent has died come to this one, so that a run that leaves
// any behind is seen.
func init() {
	const subreaper = 36 // PR_SET_CHILD_SUBREAPER
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, subreaper, 1, 0); errno != 0 {
		panic(errno)
	}
}

// noOrphans wants all that a run has started to end, soon after it. known are
// the children that this process had before.
func noOrphans(t *testing.T, known []int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		pids := slices.DeleteFunc(children(t), func(pid int) bool { return slices.Contains(known, pid) })
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			ended := make(chan error, 1)
			go func() {
				_, err := syscall.Wait4(pid, nil, 0, nil)
				ended <- err
			}()
			select {
			case <-ended:
			case <-time.After(time.Until(deadline)):
				t.Fatalf("still running: %s", commandLine(pid))
			}
		}
	}
}

func children(t *testing.T) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range strings.Fields(string(b)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

func commandLine(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return err.Error()
	}
	return string(bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
}
