package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// features are the numbers of the scenario's steps that a run must show.
var features = []int{
	1, 2, 4, 6, 12, 13, 14, 15, 17, 19, 20, 21, 23, 24, 28, 30, 31, 32, 33, 34, 35, 38, 39, 40, 47, 48, 49, 50, 51, 52,
	53, 54, 55, 56, 57, 59, 61, 62, 63, 67, 68, 70, 71, 73,
}

// TestRun plays the scenario with the sample data.
func TestRun(t *testing.T) {
	needDatabase(t)
	out := t.TempDir()
	r := runToEnd(t, demo(t, nil, "-out", out))
	r.want(t, 0, "rows        521, as the room reported", "database    PostgreSQL", filepath.Join(out, "output.txt"))
	checkRows(t, filepath.Join(out, "output.txt"), 521)
	if log, err := os.ReadFile(filepath.Join(out, "query.log")); err != nil || !strings.Contains(string(log), `"rows":521`) {
		t.Errorf("the room's log: %q, %v", log, err)
	}
	if names := list(t, out); !slices.Equal(names, []string{"output.txt", "query.log"}) {
		t.Errorf("the folder for results holds %q", names)
	}
	if r.stderr != "" {
		t.Errorf("stderr: %s", r.stderr)
	}
}

// TestFormats: the output is the same however it was encrypted, and the room
// says how.
func TestFormats(t *testing.T) {
	needDatabase(t)
	var outputs []string
	for format, mode := range map[string]string{"sealed": "Sealed", "cpk": "CPK"} {
		out := t.TempDir()
		r := runToEnd(t, demo(t, nil, "-format", format, "-out", out))
		r.want(t, 0, "sink consumer-output is ready, mode "+mode)
		b, err := os.ReadFile(filepath.Join(out, "output.txt"))
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, string(b))
	}
	if outputs[0] != outputs[1] {
		t.Error("two formats give two outputs")
	}
	runToEnd(t, demo(t, nil, "-format", "rot13")).want(t, 2)
}

var row = regexp.MustCompile(`^id: (\d+) firstName: \S.*$`)

func checkRows(t *testing.T, file string, want int) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(b), "\n")
	if last := len(lines) - 1; lines[last] == "" {
		lines = lines[:last]
	}
	before := 0
	for _, line := range lines {
		m := row.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			t.Fatalf("a row is %q", line)
		}
		var id int
		if _, err := fmt.Sscan(m[1], &id); err != nil || id <= before {
			t.Fatalf("id %s after %d", m[1], before)
		}
		before = id
	}
	if len(lines) != want {
		t.Errorf("%d rows, want %d", len(lines), want)
	}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestJSON reads the steps as a program would: every step of the scenario is
// among them, and each key costs one attestation and one release.
func TestJSON(t *testing.T) {
	needDatabase(t)
	out := t.TempDir()
	r := runToEnd(t, demo(t, nil, "-json", "-v", "-out", out))
	r.want(t, 0)
	seen := map[int]bool{}
	released := map[string]int{}
	parties := map[string]bool{}
	var final struct {
		Result struct {
			Output   string
			Rows     int
			Database string
		}
	}
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	for _, line := range lines {
		var step struct {
			Party, Text string
			Features    []int
			Requests    int
			Connections map[string]int
		}
		if err := json.Unmarshal([]byte(line), &step); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		for _, f := range step.Features {
			seen[f] = true
		}
		parties[step.Party] = true
		if slices.Contains(step.Features, 32) {
			released[step.Text]++
		}
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &final); err != nil || final.Result.Rows != 521 || final.Result.Output != filepath.Join(out, "output.txt") {
		t.Errorf("the last line is %s (%v)", lines[len(lines)-1], err)
	}
	for _, f := range features {
		if !seen[f] {
			t.Errorf("no step covers feature %d", f)
		}
	}
	for _, p := range []string{"publisher", "consumer", "governance", "room"} {
		if !parties[p] {
			t.Errorf("no step of the %s", p)
		}
	}
	if len(released) != 2 || !maps.Equal(released, map[string]int{
		"key publisher-kek released to this room by publisherkv.vault.azure.net": 1,
		"key consumer-kek released to this room by consumerkv.vault.azure.net":   1,
	}) {
		t.Errorf("releases: %v", released)
	}
	checkWire(t, r.stderr)
}

// checkWire counts what -v shows of the exchanges.
func checkWire(t *testing.T, wire string) {
	t.Helper()
	connections := map[string]int{}
	var attestations, releases int
	for line := range strings.Lines(wire) {
		party, exchange, ok := strings.Cut(line, " | ")
		if !ok {
			t.Fatalf("not an exchange: %q", line)
		}
		fields := strings.Fields(exchange)
		host, path, _ := strings.Cut(fields[min(1, len(fields)-1)], "/")
		if strings.HasSuffix(exchange, ", new connection)\n") {
			connections[strings.TrimSpace(party)+" to "+host]++
		}
		if !strings.Contains(exchange, "-> 200") {
			continue
		}
		switch {
		case strings.HasPrefix(path, "attest/SevSnpVm"):
			attestations++
		case strings.Contains(path, "/release?"):
			releases++
		}
	}
	if attestations != 2 || releases != 2 {
		t.Errorf("%d attestations and %d releases for two keys", attestations, releases)
	}
	if len(connections) < 15 {
		t.Errorf("connections are not shown: %v", connections)
	}
	for who, n := range connections {
		if n != 1 {
			t.Errorf("%d connections of the %s, want 1", n, who)
		}
	}
}
