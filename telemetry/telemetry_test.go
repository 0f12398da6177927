package telemetry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/skr"
	"github.com/cleanroom-go/sdk/telemetry"
)

// asParty in the environment makes the test's own program that of a party.
const asParty = "CLEANROOM_TEST_AS_PARTY"

func TestMain(m *testing.M) {
	if name := os.Getenv(asParty); name != "" {
		if err := play(context.Background(), name, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// told is what a process says about a span.
type told struct {
	Party, Trace, ID, Parent, Name string
	Failed                         string
}

func tell(party string, spans tracetest.SpanStubs) []told {
	var list []told
	for _, s := range spans {
		t := told{Party: party, Trace: s.SpanContext.TraceID().String(), ID: s.SpanContext.SpanID().String(), Parent: s.Parent.SpanID().String(), Name: s.Name}
		if s.Status.Code == codes.Error {
			t.Failed = s.Status.Description
		}
		list = append(list, t)
	}
	return list
}

// play is a party's program: it continues the trace of its environment.
func play(ctx context.Context, name, join string) (err error) {
	kept := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept))
	ctx = telemetry.FromEnvironment(ctx, os.Getenv)
	ctx, span := provider.Tracer("test").Start(ctx, name)
	defer func() {
		span.End()
		for _, t := range tell(name, kept.GetSpans()) {
			err = errors.Join(err, json.NewEncoder(os.Stdout).Encode(t))
		}
	}()
	conn, err := cleanroomtest.Join(join, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	options := conn.ClientOptions()
	options.TracingProvider = telemetry.Provider(provider)
	switch name {
	case "publisher":
		return publish(ctx, conn, options)
	case "consumer":
		return consume(ctx, conn, options)
	}
	return room(ctx, conn, options)
}

func publish(ctx context.Context, conn *cleanroomtest.Conn, options azcore.ClientOptions) error {
	sink, err := datasink.New(os.Getenv("CONTAINER"), conn.Credential(), &datasink.Options{ClientOptions: options, Mode: datasink.SSE})
	if err != nil {
		return err
	}
	if _, err := sink.CreateContainer(ctx); err != nil {
		return err
	}
	_, err = sink.Upload(ctx, os.Getenv("FOLDER"), nil)
	return err
}

func consume(ctx context.Context, conn *cleanroomtest.Conn, options azcore.ClientOptions) error {
	member, err := governance.LoadMember(os.Getenv("CERT"), os.Getenv("KEY"))
	if err != nil {
		return err
	}
	ledger, err := governance.NewClient(os.Getenv("LEDGER"), member, &governance.ClientOptions{
		ServiceCertificate: conn.ServiceCertificate(), DialContext: conn.DialContext, TracingProvider: options.TracingProvider,
	})
	if err != nil {
		return err
	}
	defer ledger.Close()
	if err := ledger.Activate(ctx); err != nil {
		return err
	}
	_, err = ledger.Propose(ctx, governance.OpenService(conn.ServiceCertificate()))
	return err
}

// room has its evidence accepted, and what is not evidence refused.
func room(ctx context.Context, conn *cleanroomtest.Conn, options azcore.ClientOptions) error {
	client, err := skr.NewMAAClient("https://"+cleanroomtest.AttestationHost, &skr.MAAClientOptions{ClientOptions: options})
	if err != nil {
		return err
	}
	evidence, err := conn.Attester().Attest(ctx, []byte(`{"keys":[]}`))
	if err != nil {
		return err
	}
	if _, err := client.Attest(ctx, evidence, ""); err != nil {
		return err
	}
	evidence.Report = evidence.Report[:100]
	if _, err := client.Attest(ctx, evidence, ""); err == nil {
		return errors.New("a cut report was accepted")
	}
	return nil
}

// TestOneTree runs three programs, each a process of its own, and joins their
// spans.
func TestOneTree(t *testing.T) {
	env, err := cleanroomtest.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer env.Close()
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	keys, err := governance.GenerateMemberKeys("consumer", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := env.StartLedger(cleanroomtest.GenesisMember{CertificatePEM: keys.CertificatePEM, Identifier: "consumer"}); err != nil {
		t.Fatal(err)
	}
	party, err := env.Party("publisher")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	file("folder/a.txt", []byte("canary-row"))
	settings := []string{
		"CONTAINER=" + party.StorageURL + "/data", "FOLDER=" + folder, "LEDGER=" + env.LedgerURL(),
		"CERT=" + file("cert.pem", keys.CertificatePEM), "KEY=" + file("key.pem", keys.PrivateKeyPEM()),
	}

	kept := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept))
	ctx, root := provider.Tracer("test").Start(t.Context(), "run")
	var all []told
	var mu sync.Mutex
	var programs sync.WaitGroup
	for _, name := range []string{"publisher", "consumer", "room"} {
		join := filepath.Join(dir, name+".json")
		if name == "room" {
			err = env.Launch([]byte("package policy")).WriteJoinFile(join)
		} else {
			err = env.WriteJoinFile(join, name)
		}
		if err != nil {
			t.Fatal(err)
		}
		programs.Go(func() {
			cmd := exec.CommandContext(ctx, os.Args[0], join)
			cmd.Env = append(append([]string{asParty + "=" + name, "HOME=" + dir}, settings...), telemetry.Environment(ctx)...)
			out, err := cmd.Output()
			if err != nil {
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					err = fmt.Errorf("%w: %s", err, exit.Stderr)
				}
				t.Errorf("%s: %v", name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
				var s told
				if err := d.Decode(&s); err != nil {
					t.Error(err)
					return
				}
				all = append(all, s)
			}
		})
	}
	programs.Wait()
	root.End()
	all = append(all, tell("run", kept.GetSpans())...)

	spans := map[string]told{}
	for _, s := range all {
		spans[s.ID] = s
	}
	var path func(s told) string
	path = func(s told) string {
		above, ok := spans[s.Parent]
		if !ok {
			return s.Name
		}
		return path(above) + " > " + s.Name
	}
	var paths []string
	for _, s := range all {
		if s.Trace != root.SpanContext().TraceID().String() {
			t.Errorf("%s: span %s is of another trace", s.Party, s.Name)
		}
		p := path(s)
		if !strings.HasPrefix(p, "run") {
			t.Errorf("%s: span %s hangs in the air", s.Party, p)
		}
		paths = append(paths, p)
	}
	for _, want := range []string{
		"run", "run > publisher", "run > consumer", "run > room",
		"run > publisher > datasink.CreateContainer > HTTP PUT",
		"run > publisher > datasink.Upload",
		"run > consumer > governance.Activate > HTTP POST",
		"run > consumer > governance.Propose > HTTP POST",
		"run > room > skr.Attest > HTTP POST",
	} {
		if !slices.Contains(paths, want) {
			t.Errorf("no span %s in\n%s", want, strings.Join(paths, "\n"))
		}
	}
	failed := 0
	for _, s := range all {
		if s.Name == "skr.Attest" && strings.Contains(s.Failed, "denied ") {
			failed++
		}
		if strings.Contains(s.Failed, "canary") {
			t.Errorf("%s shows what it stored", s.Name)
		}
	}
	if failed != 1 {
		t.Errorf("%d refused attestations are shown, want 1", failed)
	}
}

// TestEnvironment: without a span there is nothing to pass, and what is not
// well formed begins a tree of its own.
func TestEnvironment(t *testing.T) {
	if env := telemetry.Environment(t.Context()); env != nil {
		t.Errorf("an environment of no span: %q", env)
	}
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for value, valid := range map[string]bool{
		parent: true, "": false, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331": false, "00-00000000000000000000000000000000-b7ad6b7169203331-01": false,
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": false, "x": false, parent + "\n": false,
	} {
		ctx := telemetry.FromEnvironment(t.Context(), func(name string) string {
			return map[string]string{"TRACEPARENT": value, "TRACESTATE": "a=1"}[name]
		})
		span := trace.SpanContextFromContext(ctx)
		if span.IsValid() != valid {
			t.Errorf("%q: valid %t", value, span.IsValid())
		}
		if !valid {
			continue
		}
		if env := telemetry.Environment(ctx); !slices.Equal(env, []string{"TRACEPARENT=" + parent, "TRACESTATE=a=1"}) {
			t.Errorf("passed on: %q", env)
		}
	}
}
