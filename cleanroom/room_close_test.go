package cleanroom_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/datasink"
)

// transporter is a function that is one.
type transporter func(*http.Request) (*http.Response, error)

func (f transporter) Do(r *http.Request) (*http.Response, error) { return f(r) }

// holdLog makes requests for the log's container wait: each is told to asked,
// and ends with its context or, as a failure, when goOn is closed.
func holdLog(in *inRoom, asked chan<- struct{}, goOn <-chan struct{}) {
	inner := in.opts.Transport
	in.opts.Transport = transporter(func(r *http.Request) (*http.Response, error) {
		if !strings.HasPrefix(r.URL.Path, "/logs") {
			return inner.Do(r)
		}
		asked <- struct{}{}
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-goOn:
			return nil, errors.New("the log's account is gone")
		}
	})
	in.opts.Retry = policy.RetryOptions{MaxRetries: -1}
}

// TestCloseForgetsKeys: a sink of the room cannot write, read or be kept after
// the room was left.
func TestCloseForgetsKeys(t *testing.T) {
	a := agree(t)
	room, err := a.launch(a.template.Policy()).enter(t.Context())
	a.must(err)
	out, err := room.Output(t.Context(), roomSink)
	a.must(err)
	write := func(w io.Writer) error { _, err := io.WriteString(w, "late"); return err }
	a.must(out.WriteFile(t.Context(), "a", write), room.Close())
	if err := out.WriteFile(t.Context(), "b", write); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
	if _, err := out.Open(t.Context(), "a"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if got := a.read(roomSink, "a"); got != "late" {
		t.Errorf("output %q", got)
	}
	// A sink that is finished while the room is left is closed, not kept.
	late, err := datasink.NewWithBackend(datasink.Memory(), nil)
	a.must(err)
	if _, err := cleanroom.KeepSink(room, "late", late); err == nil {
		t.Error("a sink was kept after Close")
	}
	if _, err := late.Stat(t.Context(), "x"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("the late sink is open: %v", err)
	}
}

// TestOutputTwice: of two sinks made at once the first is kept, and the other's
// key is cleared.
func TestOutputTwice(t *testing.T) {
	a := agree(t)
	room, err := a.launch(a.template.Policy()).enter(t.Context())
	a.must(err)
	first, err := room.Output(t.Context(), roomSink)
	a.must(err)
	second, err := datasink.NewWithBackend(datasink.Memory(), nil)
	a.must(err)
	if got, err := cleanroom.KeepSink(room, roomSink, second); got != first || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := second.Stat(t.Context(), "x"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("the second sink is open: %v", err)
	}
	a.must(room.Close())
}

// TestCloseWaits: every Close returns the error of the one that worked, and
// none before it is done.
func TestCloseWaits(t *testing.T) {
	a := agree(t)
	in := a.launch(a.template.Policy())
	asked, release := make(chan struct{}, 8), make(chan struct{})
	holdLog(in, asked, release)
	room, err := in.enter(t.Context())
	a.must(err)
	var group sync.WaitGroup
	errs := make([]error, 3)
	group.Go(func() { errs[0] = room.Close() })
	<-asked // the first is under way
	for i := range 2 {
		group.Go(func() { errs[i+1] = room.Close() })
	}
	close(release)
	group.Wait()
	for i, err := range errs {
		if err == nil || err != errs[0] || !strings.Contains(err.Error(), "export log") {
			t.Errorf("Close %d: %v", i, err)
		}
	}
	if got := a.events(); len(got) != 2 {
		t.Errorf("events %q", got)
	}
}

// TestCloseWithHungExport: the last event is written although the export of
// the log used up its time.
func TestCloseWithHungExport(t *testing.T) {
	a := agree(t)
	in := a.launch(a.template.Policy())
	holdLog(in, make(chan struct{}, 8), nil)
	room, err := in.enter(t.Context())
	a.must(err)
	// Its key and container are ready: only the export hangs.
	_, err = room.Output(t.Context(), cleanroom.ApplicationTelemetry)
	a.must(err)
	cleanroom.SetExportTimeout(room, 200*time.Millisecond)
	if err := room.Close(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	if got := a.events(); len(got) != 2 || !strings.Contains(got[1], "ended execution") {
		t.Errorf("events %q", got)
	}
}
