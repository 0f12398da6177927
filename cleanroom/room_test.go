package cleanroom_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

const attestationURL = "https://" + cleanroomtest.AttestationHost

// lines keeps what is logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// TestRoom is a stay from its beginning to its end: what it leaves are the
// output, the log and the audit events; what it costs is one attestation and
// one release for both data keys under the one KEK.
func TestRoom(t *testing.T) {
	a := agree(t)
	in := a.launch(a.template.Policy())
	room, err := in.enter(t.Context())
	a.must(err)
	out, err := room.Output(t.Context(), roomSink)
	a.must(err)
	if again, err := room.Output(t.Context(), roomSink); err != nil || again != out {
		t.Errorf("a second Output: %v", err)
	}
	a.must(out.WriteFile(t.Context(), "output.txt", func(w io.Writer) error {
		_, err := io.WriteString(w, "id: 1 firstName: Ann\n")
		return err
	}))
	room.Log().Info("one row", "rows", 1)
	room.Log().Debug("not exported")
	a.must(room.Report(t.Context(), "halfway"), room.Report(t.Context(), map[string]any{"rows": 1}))
	a.must(room.Close(), room.Close())

	if got := a.read(roomSink, "output.txt"); got != "id: 1 firstName: Ann\n" {
		t.Errorf("output %q", got)
	}
	log := a.read(cleanroom.ApplicationTelemetry, roomApp+".log")
	if !strings.Contains(log, `"rows":1`) || strings.Contains(log, "not exported") {
		t.Errorf("log %q", log)
	}
	if s := in.lines.String(); !strings.Contains(s, "one row") || !strings.Contains(s, "not exported") {
		t.Errorf("logger: %s", s)
	}
	want := []string{
		`{"message":"starting execution of app","source":"app"}`, `{"message":"halfway","source":"app"}`, `{"rows":1}`,
		`{"message":"ended execution of app","source":"app"}`,
	}
	if got := a.events(); !slices.Equal(got, want) {
		t.Errorf("events %q", got)
	}
	if n, m, tokens := in.count("/attest/SevSnpVm"), in.count("/keys/kek"), in.count("/oauth/token"); n != 1 || m != 2 || tokens != 1 {
		t.Errorf("%d attestations, %d release requests with the challenge, %d tokens of the ledger; want 1, 2, 1", n, m, tokens)
	}
	for host, n := range in.wire.Connections() {
		if n != 1 {
			t.Errorf("%d connections to %s", n, host)
		}
	}
	var kinds []cleanroom.StepKind
	for _, s := range in.steps {
		kinds = append(kinds, s.Kind)
	}
	for _, f := range []cleanroom.StepKind{
		cleanroom.StepConsent, cleanroom.StepToken, cleanroom.StepAttestation, cleanroom.StepRelease, cleanroom.StepUnwrap, cleanroom.StepOutput,
		cleanroom.StepAzureToken, cleanroom.StepEvent, cleanroom.StepLogs,
	} {
		if !slices.Contains(kinds, f) {
			t.Errorf("no step %s in %v", f, kinds)
		}
	}
}

func (a *agreed) events() []string {
	a.Helper()
	var list []string
	for e, err := range a.ledger.Contract(roomContract).Events(a.Context(), nil) {
		a.must(err)
		var tree any
		a.must(json.Unmarshal(e.Data, &tree))
		b, err := json.Marshal(tree)
		a.must(err)
		list = append(list, string(b))
	}
	return list
}

// wantCheck wants a denial by that check, with what to do.
func wantCheck(t *testing.T, err error, id string) cleanroom.Check {
	t.Helper()
	var denied *cleanroom.DeniedError
	if !errors.As(err, &denied) {
		t.Fatalf("want a denial by %s, got %v", id, err)
	}
	for _, c := range denied.Checks {
		if c.ID == id && !c.OK() {
			if c.Remedy == "" || c.Want == c.Got {
				t.Errorf("check %s does not explain itself: %+v", id, c)
			}
			return c
		}
	}
	t.Fatalf("want a denial by %s, got %v", id, err)
	return cleanroom.Check{}
}

// TestEnterWithoutConsent: the room stops by itself, nothing is unwrapped, and
// the text says that the vaults would not have stopped it.
func TestEnterWithoutConsent(t *testing.T) {
	a := agree(t)
	contract := a.ledger.Contract(roomContract)
	a.must(contract.DisableExecution(t.Context()))
	in := a.launch(a.template.Policy())
	_, err := in.enter(t.Context())
	c := wantCheck(t, err, "consent.execution")
	if !strings.Contains(c.Remedy, "vaults do not know about consent") {
		t.Errorf("remedy: %s", c.Remedy)
	}
	if n := in.count("vault.azure.net") + in.count("attest.azure.net"); n > 0 {
		t.Errorf("%d requests for keys", n)
	}
	if got := a.events(); len(got) > 0 {
		t.Errorf("events %q", got)
	}
	a.must(contract.EnableExecution(t.Context()))
	room, err := a.launch(a.template.Policy()).enter(t.Context())
	a.must(err, room.Close())
}

// TestEnterTampered: a room with another policy, one whose policy is not
// accepted yet, and one of a contract that nobody knows.
func TestEnterTampered(t *testing.T) {
	a := agree(t)
	in := a.launch(append(a.template.Policy(), "\nexec_external := {\"allowed\": true}\n"...))
	_, err := in.enter(t.Context())
	c := wantCheck(t, err, "attestation.host-data")
	if c.Want != a.template.HostData() || len(c.Got) != 64 || c.Got == c.Want || !strings.Contains(c.Remedy, "accepted template") {
		t.Errorf("%+v", c)
	}

	pending := agree(t, "policy")
	_, err = pending.launch(pending.template.Policy()).enter(t.Context())
	if c := wantCheck(t, err, "attestation.host-data"); !strings.Contains(c.Remedy, "vote") {
		t.Errorf("%+v", c)
	}

	in = a.launch(a.template.Policy())
	in.setenv(cleanroom.GovernanceVariable, strings.Replace(in.opts.Getenv(cleanroom.GovernanceVariable), `"contractId":"collab1"`, `"contractId":"collab2"`, 1))
	_, err = in.enter(t.Context())
	wantCheck(t, err, "attestation.host-data")
}

// roundTripper is a function that is one.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestEnterFailsClosed: where consent cannot be checked there is none.
func TestEnterFailsClosed(t *testing.T) {
	a := agree(t, "logging")
	ca, err := testpki.New("Another service")
	a.must(err)
	for _, c := range []struct {
		name   string
		change func(*inRoom)
		say    string
	}{
		{"no environment", func(in *inRoom) { in.setenv(cleanroom.GovernanceVariable, "") }, "it is not set"},
		{"no JSON", func(in *inRoom) { in.setenv(cleanroom.GovernanceVariable, "collab1") }, cleanroom.GovernanceVariable},
		{"application", func(in *inRoom) { in.opts.Application = "../app" }, "name of the application"},
		{"ledger not reachable", func(in *inRoom) {
			in.opts.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") }
		}, "no route"},
		{"another service", func(in *inRoom) {
			var g cleanroom.GovernanceEnvironment
			a.must(json.Unmarshal([]byte(in.opts.Getenv(cleanroom.GovernanceVariable)), &g))
			g.ServiceCertificate = string(ca.RootPEM())
			value, err := g.Encode()
			a.must(err)
			in.setenv(cleanroom.GovernanceVariable, value)
		}, "certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := a.launch(a.template.Policy())
			c.change(in)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			// The client tries again for a while; the caller need not wait: he
			// gives up when the first attempt has failed.
			inner := in.opts.GovernanceTransport
			in.opts.GovernanceTransport = func(next http.RoundTripper) http.RoundTripper {
				next = inner(next)
				return roundTripper(func(r *http.Request) (*http.Response, error) {
					res, err := next.RoundTrip(r)
					if err != nil {
						cancel()
					}
					return res, err
				})
			}
			room, err := in.enter(ctx)
			if err == nil {
				a.must(room.Close())
				t.Fatal("entered")
			}
			if !strings.HasPrefix(err.Error(), "cleanroom: enter room") || !strings.Contains(err.Error(), c.say) {
				t.Errorf("%v", err)
			}
			if n := in.count("vault.azure.net"); n > 0 {
				t.Errorf("%d requests to a vault", n)
			}
		})
	}
}

// TestRoomOutputRefuses: only the sinks of the accepted deployment.
func TestRoomOutputRefuses(t *testing.T) {
	a := agree(t)
	in := a.launch(a.template.Policy())
	in.setenv(cleanroom.SinkVariable("other"), in.opts.Getenv(cleanroom.SinkVariable(roomSink)))
	in.setenv(cleanroom.SinkVariable("broken"), "{")
	room, err := in.enter(t.Context())
	a.must(err)
	for name, say := range map[string]string{
		"nothing": "gives this application no such sink",
		"other":   "describes the sink",
		"broken":  "not the JSON object",
		"../x":    "lower case letters",
	} {
		if _, err := room.Output(t.Context(), name); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for id, say := range map[string]string{"": "no id", "nobody_dbconfig": "nobody_dbconfig", "../../members": "members"} {
		if _, err := room.OpenDB(t.Context(), id); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("OpenDB(%q): %v", id, err)
		}
	}
	a.must(room.Close())
	if _, err := room.Output(t.Context(), roomSink); err == nil {
		t.Error("Output after Close")
	}
	if _, err := room.OpenDB(t.Context(), "x"); err == nil {
		t.Error("OpenDB after Close")
	}
	if err := room.Report(t.Context(), "late"); err == nil {
		t.Error("Report after Close")
	}
}

// TestRoomLogStays: without the parties' consent to logging the log does not
// leave the room.
func TestRoomLogStays(t *testing.T) {
	a := agree(t, "logging")
	in := a.launch(a.template.Policy())
	room, err := in.enter(t.Context())
	a.must(err)
	room.Log().Info("kept")
	a.must(room.Close())
	for item, err := range a.sink(cleanroom.ApplicationTelemetry).List(t.Context()) {
		t.Errorf("%s, %v", item.Name, err)
	}
	if n := in.count("vault.azure.net"); n > 0 {
		t.Errorf("%d requests for a key that nobody needed", n)
	}
}

// TestRoomInterrupted: leaving is reported also when the program's context has
// ended.
func TestRoomInterrupted(t *testing.T) {
	a := agree(t)
	ctx, cancel := context.WithCancel(t.Context())
	room, err := a.launch(a.template.Policy()).enter(ctx)
	a.must(err)
	cancel()
	if err := room.Report(ctx, "late"); !errors.Is(err, context.Canceled) {
		t.Errorf("report: %v", err)
	}
	a.must(room.Close())
	if got := a.events(); len(got) != 2 || !strings.Contains(got[1], "ended execution") {
		t.Errorf("events %q", got)
	}
}

// TestRoomPrintsNothing: no form of printing a room or its steps shows a key.
func TestRoomPrintsNothing(t *testing.T) {
	a := agree(t)
	in := a.launch(a.template.Policy())
	room, err := in.enter(t.Context())
	a.must(err)
	_, err = room.Output(t.Context(), roomSink)
	a.must(err)
	dek, err := a.deks.Load(a.point(roomSink).Datastore())
	a.must(err)
	defer dek.Close()
	raw := dek.Clone()
	room.Log().Info("room", "room", room)
	text := fmt.Sprintf("%v %+v %#v %s %q %x %v", room, room, room, room, room, room, in.steps) + in.lines.String()
	a.must(room.Close())
	for _, secret := range []string{string(raw), fmt.Sprintf("%x", raw), fmt.Sprintf("%v", raw), "eyJ"} {
		if strings.Contains(text, secret) {
			t.Errorf("printed: %.20q", secret)
		}
	}
	if !strings.Contains(text, "cleanroom.Room(app of contract collab1)") {
		t.Errorf("%s", text)
	}
}
