package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/examples/internal/party"
	"github.com/cleanroom-go/sdk/record"
)

func TestReport(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"publisher", "consumer"} {
		file, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		r := record.New(name, file, nil)
		r.Add(record.Entry{Call: &record.Call{To: "database", Text: "SELECT"}})
		r.Add(record.Entry{Step: &record.Step{Text: name + " was here"}})
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		files = append(files, file.Name())
	}
	var out, problems bytes.Buffer
	if err := run(append([]string{"-mermaid"}, files...), &out, &problems); err != nil || strings.Count(out.String(), "was here") != 2 {
		t.Errorf("%v\n%s", err, &out)
	}
	page := filepath.Join(dir, "page.html")
	if err := run(append([]string{"-title", "Mine", "-out", page}, files...), &out, &problems); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(page); err != nil || !strings.Contains(string(b), "<title>Mine</title>") || strings.Count(string(b), "was here") < 4 {
		t.Errorf("%v\n%s", err, b)
	}
	for code, args := range map[int][]string{0: {"-h"}, 1: {filepath.Join(dir, "none")}, 2: {"-x"}} {
		if err := run(args, &out, &problems); err == nil || party.ExitCode(err) != code {
			t.Errorf("%q: %v, want exit code %d", args, err, code)
		}
	}
	if err := run(nil, &out, &problems); party.ExitCode(err) != 2 {
		t.Errorf("no record: %v", err)
	}
	if err := run([]string{page}, &out, &problems); party.ExitCode(err) != 1 {
		t.Errorf("a page as a record: %v", err)
	}
}
