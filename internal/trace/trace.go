// Package trace makes the spans of this module's operations with the
// [tracing.Provider] of a client's options. A span carries the operation's name
// and how it ended, never the text of an error: that may quote a service.
package trace

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"

	"github.com/cleanroom-go/sdk/internal/check"
)

const module, version = "github.com/cleanroom-go/sdk/", "v0.1.0"

// Tracer makes the spans of one package. The zero value makes none.
type Tracer struct {
	tracer tracing.Tracer
	pkg    string
}

// New makes the tracer of a package, which the name of each span begins with.
func New(p tracing.Provider, pkg string) Tracer {
	inner := p.NewTracer(module+pkg, version)
	if !inner.Enabled() {
		return Tracer{}
	}
	return Tracer{tracing.NewTracer(func(ctx context.Context, name string, o *tracing.SpanOptions) (context.Context, tracing.Span) {
		if o != nil && o.Kind == unsuppressed {
			o = &tracing.SpanOptions{Kind: tracing.SpanKindInternal, Attributes: o.Attributes}
		}
		return inner.Start(ctx, name, o)
	}, &tracing.TracerOptions{SpanFromContext: inner.SpanFromContext}), pkg}
}

// unsuppressed is a kind of span below which azcore's clients make spans of
// their own. What it stands for here is an internal one, below which they would
// make none: our operations shall show the Azure calls that they consist of.
const unsuppressed = tracing.SpanKindServer

// Start begins the span of an operation; what is called with the context it
// returns has spans below it, also each request of a pipeline of azcore. The
// caller defers the function with the address of the error that it returns.
func (t Tracer) Start(ctx context.Context, op string) (context.Context, func(*error)) {
	if !t.tracer.Enabled() {
		return ctx, func(*error) {}
	}
	ctx, end := runtime.StartSpan(ctx, t.pkg+"."+op, t.tracer, &runtime.StartSpanOptions{Kind: unsuppressed})
	return ctx, func(err *error) {
		if *err != nil {
			end(ended(kind(*err)))
			return
		}
		end(nil)
	}
}

// ended is how an operation ended, as an error without another's text.
type ended string

func (e ended) Error() string { return string(e) }

// Request begins the span of one HTTP request, for clients that are not
// azcore's. The function ends it with the status, 0 for none.
func (t Tracer) Request(ctx context.Context, method, host, op string) (context.Context, func(status int, err error)) {
	if !t.tracer.Enabled() {
		return ctx, func(int, error) {}
	}
	ctx, span := t.tracer.Start(ctx, "HTTP "+method, &tracing.SpanOptions{Kind: tracing.SpanKindClient, Attributes: []tracing.Attribute{
		{Key: "http.method", Value: method}, {Key: "net.peer.name", Value: host}, {Key: "cleanroom.operation", Value: op},
	}})
	return ctx, func(status int, err error) {
		if status > 0 {
			span.SetAttributes(tracing.Attribute{Key: "http.status_code", Value: status})
		}
		if err != nil {
			span.SetStatus(tracing.SpanStatusError, kind(err))
		}
		span.End()
	}
}

// kind says which error it was without its text: the checks that failed, the
// service's code and status, or the type.
func kind(err error) string {
	var denied *check.DeniedError
	var answer *azcore.ResponseError
	switch {
	case errors.As(err, &denied):
		ids := []string{"denied"}
		for _, c := range check.Failed(denied.Checks) {
			ids = append(ids, c.ID)
		}
		return strings.Join(ids, " ")
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline exceeded"
	case errors.As(err, &answer):
		return check.Printable(fmt.Sprintf("%d %.80s", answer.StatusCode, answer.ErrorCode))
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return fmt.Sprintf("%T", err)
}
