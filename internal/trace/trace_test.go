package trace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"

	"github.com/cleanroom-go/sdk/internal/check"
)

// TestKind: how an operation ended is said without anybody's text.
func TestKind(t *testing.T) {
	const canary = "canary"
	for want, err := range map[string]error{
		"denied b c":          fmt.Errorf("x: %w", check.Denied("op "+canary, canary, []check.Check{{ID: "a"}, {ID: "b", Got: canary, Err: io.EOF}, {ID: "c", Err: io.EOF}}, errors.New(canary))),
		"canceled":            fmt.Errorf(canary+": %w", context.Canceled),
		"deadline exceeded":   fmt.Errorf(canary+": %w", context.DeadlineExceeded),
		"403 Forbidden":       fmt.Errorf(canary+": %w", &azcore.ResponseError{StatusCode: 403, ErrorCode: "Forbidden"}),
		"*errors.errorString": fmt.Errorf("%w", errors.New(canary)),
	} {
		if got := kind(err); got != want {
			t.Errorf("kind %q, want %q", got, want)
		}
	}
}

// TestNobodyWatches: without a provider the context stays as it is.
func TestNobodyWatches(t *testing.T) {
	tracer := New(tracing.Provider{}, "p")
	ctx, end := tracer.Start(t.Context(), "op")
	err := io.EOF
	end(&err)
	requested, done := tracer.Request(t.Context(), "GET", "h", "op")
	done(200, nil)
	if ctx != t.Context() || requested != t.Context() {
		t.Error("a context was changed")
	}
}
