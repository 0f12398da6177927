package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/examples/internal/query"
	"github.com/cleanroom-go/sdk/examples/internal/steps"
)

// TestStepsRepeat: whoever was interrupted takes the same steps again.
func TestStepsRepeat(t *testing.T) {
	s := prepared(t)
	publisher, err := s.env.Party(cleanroomtest.Publisher)
	if err != nil {
		t.Fatal(err)
	}
	image, err := s.pinImage()
	if err != nil {
		t.Fatal(err)
	}
	again := []act{
		{steps.Consumer, []string{"keys"}}, {steps.Publisher, []string{"keys"}},
		{steps.Consumer, []string{"-partner-tenant", publisher.TenantID, "found"}},
	}
	again = append(again, s.agreement(image)...)
	again = append(again, act{steps.Publisher, append(s.dbFlags(), "provide")}, act{steps.Consumer, []string{"provide", "template", "retract"}})
	for _, a := range again {
		if _, err := s.act(t.Context(), a, s.report.Write); err != nil {
			t.Errorf("%s %q: %v", a.party, a.args[len(a.args)-1], err)
		}
	}
	if err := s.room(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestRoomChoosesNoNames: the program in the room writes what it likes into the
// sinks; each party takes the one file that was agreed on.
func TestRoomChoosesNoNames(t *testing.T) {
	s := prepared(t)
	if err := s.room(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, sink := range map[string]string{steps.Publisher: cleanroom.ApplicationTelemetry, steps.Consumer: query.Output} {
		for _, blob := range []string{".bashrc", "a.txt", "publisher.private/member_privk.pem", query.File, "query.log"} {
			if sink == query.Output && blob == query.File || sink != query.Output && blob == "query.log" {
				continue
			}
			s.plant(t, name, sink, blob)
		}
	}
	for _, a := range []act{
		{steps.Consumer, []string{"-out", s.staged(steps.Consumer), "download"}}, {steps.Publisher, []string{"-out", s.staged(steps.Publisher), "logs"}},
	} {
		if _, err := s.act(t.Context(), a, s.report.Write); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.keepResults(); err != nil {
		t.Fatal(err)
	}
	names := slices.DeleteFunc(list(t, s.out), func(n string) bool { return strings.HasPrefix(n, ".cleanroom-demo-") })
	if !slices.Equal(names, []string{"output.txt", "query.log"}) {
		t.Errorf("results: %q", names)
	}
	checkRows(t, filepath.Join(s.out, "output.txt"), 521)
}

// plant writes a blob under the party's own key, as the room could.
func (s *scenario) plant(t *testing.T, party, sink, blob string) {
	t.Helper()
	conn, err := s.env.Connect(party, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	spec, err := cleanroom.ReadSpecification(s.path(party, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	point, err := spec.Sink(sink)
	if err != nil {
		t.Fatal(err)
	}
	store, err := cleanroom.OpenDEKStore(s.path(party, "deks"))
	if err != nil {
		t.Fatal(err)
	}
	dek, err := store.Load(point.Datastore())
	if err != nil {
		t.Fatal(err)
	}
	defer dek.Close()
	mode, err := point.Mode()
	if err != nil {
		t.Fatal(err)
	}
	to, err := datasink.New(point.ContainerURL(), conn.Credential(), &datasink.Options{
		ClientOptions: conn.ClientOptions(), Mode: datasink.Mode(mode), DEK: dek, Contract: contractID, Datasink: point.Name,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := to.WriteFile(t.Context(), blob, func(w io.Writer) error {
		_, err := io.WriteString(w, "evil\n")
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestFullDisk: a reader who cannot be told is not a success.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full: ", err)
	}
	defer full.Close()
	needDatabase(t)
	known := children(t)
	cmd := demo(t, nil, "-out", t.TempDir())
	cmd.Stdout = full
	_ = cmd.Run() // the exit code is looked at below
	noOrphans(t, known)
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit code %d", code)
	}
}
