package cleanroom_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
)

// spans keeps what a run's provider was told: each span by its number, with
// the number of the one above it, and all that was said about it.
type spans struct {
	mu     sync.Mutex
	names  []string
	parent []int
	failed []string
	ended  int
	text   strings.Builder
}

type spanKey struct{}

func (s *spans) provider() tracing.Provider {
	return tracing.NewProvider(func(name, _ string) tracing.Tracer {
		return tracing.NewTracer(func(ctx context.Context, name string, o *tracing.SpanOptions) (context.Context, tracing.Span) {
			s.mu.Lock()
			defer s.mu.Unlock()
			above, ok := ctx.Value(spanKey{}).(int)
			if !ok {
				above = -1
			}
			id := len(s.names)
			s.names, s.parent, s.failed = append(s.names, name), append(s.parent, above), append(s.failed, "")
			if o != nil {
				fmt.Fprintln(&s.text, name, o.Attributes)
			}
			return context.WithValue(ctx, spanKey{}, id), tracing.NewSpan(tracing.SpanImpl{
				End:           func() { s.mu.Lock(); s.ended++; s.mu.Unlock() },
				SetAttributes: func(a ...tracing.Attribute) { s.mu.Lock(); fmt.Fprintln(&s.text, a); s.mu.Unlock() },
				AddEvent:      func(name string, a ...tracing.Attribute) { s.mu.Lock(); fmt.Fprintln(&s.text, name, a); s.mu.Unlock() },
				SetStatus: func(status tracing.SpanStatus, text string) {
					s.mu.Lock()
					defer s.mu.Unlock()
					s.failed[id] = text
					fmt.Fprintln(&s.text, text)
				},
			})
		}, nil)
	}, nil)
}

// path is the span's name below those above it.
func (s *spans) path(id int) string {
	if s.parent[id] < 0 {
		return s.names[id]
	}
	return s.path(s.parent[id]) + " > " + s.names[id]
}

func (s *spans) has(part string) bool {
	for id := range s.names {
		if strings.HasSuffix(s.path(id), part) {
			return true
		}
	}
	return false
}

// TestTraces: one provider, given to the room, sees what all packages do, each
// operation below the one that asked for it, and every request.
func TestTraces(t *testing.T) {
	a := agree(t)
	in := a.launch(a.template.Policy())
	var s spans
	in.opts.TracingProvider = s.provider()
	room, err := in.enter(t.Context())
	a.must(err)
	out, err := room.Output(t.Context(), roomSink)
	a.must(err)
	a.must(out.WriteFile(t.Context(), "output.txt", func(w io.Writer) error { _, err := io.WriteString(w, "canary-row"); return err }))
	a.must(room.Report(t.Context(), "halfway"), room.Close())

	for _, want := range []string{
		"cleanroom.Enter > governance.Room.Consent > HTTP POST",
		"cleanroom.Output > skr.Release > skr.Attest > HTTP POST",
		"cleanroom.Output > skr.Release > Client.Release > HTTP POST",
		"datasink.WriteFile > HTTP PUT",
		"cleanroom.Report > governance.Room.PutEvent > HTTP PUT",
	} {
		if !s.has(want) {
			t.Errorf("no span %s", want)
		}
	}
	if s.ended != len(s.names) {
		t.Errorf("%d spans began, %d ended", len(s.names), s.ended)
	}
	text := s.text.String()
	for _, secret := range []string{"canary-row", "eyJ", "Bearer"} {
		if strings.Contains(text, secret) {
			t.Errorf("a span has %q", secret)
		}
	}
	if t.Failed() {
		for id := range s.names {
			t.Log(s.path(id))
		}
	}
}

// TestTraceOfDenial: the span of a refusal names the checks that failed.
func TestTraceOfDenial(t *testing.T) {
	a := agree(t)
	in := a.launch([]byte("package other"))
	var s spans
	in.opts.TracingProvider = s.provider()
	if room, err := in.enter(t.Context()); err == nil {
		a.must(room.Close())
		t.Fatal("a room of another policy was let in")
	}
	if s.names[0] != "cleanroom.Enter" || s.failed[0] != "trace.ended:\ndenied attestation.host-data" {
		t.Errorf("the span %s says %q", s.names[0], s.failed[0])
	}
}
