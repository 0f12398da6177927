package pgcopy_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/dbsecret/pgcopy"
	"github.com/cleanroom-go/sdk/internal/emulator/postgres/pgtest"
)

const million = 1_000_000

// BenchmarkWrite compares with psql's \copy of the same query over the same TLS,
// its start and its login included as ours is. The two take turns.
func BenchmarkWrite(b *testing.B) {
	s := pgtest.Start(b)
	s.Exec(b, `CREATE UNLOGGED TABLE big AS SELECT n AS id, 'Name' || (n % 997) AS first_name, n AS people FROM generate_series(1, 1000000) AS n;
		GRANT SELECT ON big TO PUBLIC; ANALYZE big`)
	const query = `SELECT id, first_name FROM big`
	for _, bench := range []struct {
		name, query string
		opts        pgcopy.Options
	}{
		{"csv", query, pgcopy.Options{NoHeader: true}},
		{"text", query, pgcopy.Options{Format: pgcopy.Text}},
		{"csv with limits", `SELECT id, first_name, people FROM big`, pgcopy.Options{NoHeader: true, MaxRows: million, Columns: []string{"id", "first_name", "people"}, CountColumn: "people", MinCount: 1}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var psql, ours []time.Duration
			for b.Loop() {
				cmd := s.PSQL(b, fmt.Sprintf(`\copy (%s) TO STDOUT WITH (FORMAT %s)`, bench.query, bench.opts.Format))
				cmd.Stdout = nil // the null device
				began := time.Now()
				err := cmd.Run()
				psql = append(psql, time.Since(began))
				if err != nil {
					b.Fatal(err)
				}
				c := s.Connector(b)
				began = time.Now()
				result, err := pgcopy.Write(context.Background(), io.Discard, c, &bench.opts, bench.query)
				ours = append(ours, time.Since(began))
				if err != nil || result.Rows != million {
					b.Fatal(result.Rows, err)
				}
			}
			slices.Sort(psql)
			slices.Sort(ours)
			rate := func(d []time.Duration) float64 { return million / d[len(d)/2].Seconds() }
			b.ReportMetric(rate(ours), "rows/s")
			b.ReportMetric(rate(psql), "psql-rows/s")
			b.ReportMetric(rate(ours)/rate(psql), "ratio")
		})
	}
}
