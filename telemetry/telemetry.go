// Package telemetry leads the spans of a run to OpenTelemetry, and joins those
// of its programs to one tree.
//
// Every client of the SDK that takes azcore.ClientOptions honours its
// TracingProvider, as governance.ClientOptions and dbsecret.Options do:
//
//	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
//	ctx = telemetry.FromEnvironment(ctx, os.Getenv)
//	options := azcore.ClientOptions{TracingProvider: telemetry.Provider(provider)}
//	room, err := cleanroom.Enter(ctx, &cleanroom.RoomOptions{ClientOptions: options})
//
// Spans are named after packages and operations: cleanroom.Enter, skr.Release,
// skr.Attest, governance.Propose, datasink.Upload, dbsecret.Connect; below them
// are those of Azure's clients and one for each request. A span says how its
// operation ended by the checks that failed, the service's code or the type of
// the error: neither bodies nor the texts of errors are in it. The requests
// carry no trace context: services of other parties need not know the run.
//
// # One tree
//
// Whoever starts a program gives it the [Environment] of the span in which it
// does, W3C Trace Context in the variables TRACEPARENT and TRACESTATE; the
// program takes it with [FromEnvironment]. Parties on different machines agree
// on one and pass it by hand. In a room the variable must be part of what the
// parties agreed on, as every other one: a trace identifier chosen by the host
// is then refused by the policy. The room's own exporter needs an address that
// the agreed network policy opens.
package telemetry

import (
	"context"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
	"github.com/Azure/azure-sdk-for-go/sdk/tracing/azotel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Provider is the TracingProvider of client options whose spans go to tp. tp
// must not be nil.
func Provider(tp trace.TracerProvider) tracing.Provider {
	return azotel.NewTracingProvider(tp, nil)
}

// The variables that [Environment] gives and [FromEnvironment] reads.
const (
	ParentVariable = "TRACEPARENT"
	StateVariable  = "TRACESTATE"
)

// variables by the names of the headers of W3C Trace Context.
var variables = map[string]string{"traceparent": ParentVariable, "tracestate": StateVariable}

// Environment is what a program that is started within ctx's span gets in its
// environment, each "NAME=value" as in os/exec. It is nil where no span is.
func Environment(ctx context.Context) []string {
	var out carrier
	propagation.TraceContext{}.Inject(ctx, &out)
	slices.Sort(out.env)
	return out.env
}

// FromEnvironment is ctx below the span that the environment names. Without one,
// or with one that is not well formed, it is ctx: the program then begins a
// tree of its own.
func FromEnvironment(ctx context.Context, getenv func(string) string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, &carrier{getenv: getenv})
}

// carrier is an environment in the place of headers.
type carrier struct {
	getenv func(string) string
	env    []string
}

var _ propagation.TextMapCarrier = (*carrier)(nil)

func (c *carrier) Get(key string) string {
	name := variables[key]
	if name == "" {
		return ""
	}
	return c.getenv(name)
}

func (c *carrier) Set(key, value string) {
	if name := variables[key]; name != "" && value != "" {
		c.env = append(c.env, name+"="+value)
	}
}

func (c *carrier) Keys() []string { return []string{"traceparent", "tracestate"} }
