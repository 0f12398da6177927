package dbsecret_test

import (
	"context"
	"io"
	"slices"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"

	"github.com/cleanroom-go/sdk/dbsecret"
)

// TestRowsTraced: rows have one span, which ends, and which says of a failure
// that it was one and nothing of the query.
func TestRowsTraced(t *testing.T) {
	s := sharedServer(t)
	db := s.db(t)
	var names, said []string
	ended := 0
	provider := tracing.NewProvider(func(string, string) tracing.Tracer {
		return tracing.NewTracer(func(ctx context.Context, name string, _ *tracing.SpanOptions) (context.Context, tracing.Span) {
			names = append(names, name)
			return ctx, tracing.NewSpan(tracing.SpanImpl{
				End:       func() { ended++ },
				SetStatus: func(_ tracing.SpanStatus, text string) { said = append(said, text) },
			})
		}, nil)
	}, nil)
	opts := &dbsecret.RowsOptions{TracingProvider: provider}
	if _, err := dbsecret.WriteRowsAs(t.Context(), io.Discard, db, opts, `SELECT 1 AS n`); err != nil {
		t.Fatal(err)
	}
	if _, err := dbsecret.WriteRowsAs(t.Context(), io.Discard, db, opts, `SELECT secret_canary`); err == nil {
		t.Fatal("a column that is not there")
	}
	if want := []string{"dbsecret.WriteRows", "dbsecret.WriteRows"}; !slices.Equal(names, want) || ended != 2 {
		t.Errorf("spans %q, %d of them ended", names, ended)
	}
	if len(said) != 1 || said[0] == "" || slices.ContainsFunc(said, func(s string) bool { return len(s) > 100 }) {
		t.Errorf("the spans say %q", said)
	}
}
