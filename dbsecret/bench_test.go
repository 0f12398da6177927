package dbsecret_test

import (
	"context"
	"database/sql"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/cleanroom-go/sdk/dbsecret"
)

const million = 1_000_000

// bigTable makes a table of a million rows as the sample's users are.
func (s *server) bigTable(t testing.TB) {
	t.Helper()
	mustExec(t, s.admin(t, ""), `CREATE UNLOGGED TABLE IF NOT EXISTS big AS
		SELECT n AS id, 'Name' || (n % 997) AS first_name FROM generate_series(1, 1000000) AS n;
		GRANT SELECT ON big TO PUBLIC`)
}

// BenchmarkWriteRows compares with a bare loop over lib/pq, which scans the same
// rows over the same TLS and keeps nothing. The two take turns, so that other
// load on the machine hits both.
func BenchmarkWriteRows(b *testing.B) {
	s := sharedServer(b)
	s.bigTable(b)
	db, driver := s.db(b), s.bare(b)
	for _, query := range []struct {
		name, text string
		args       []any
		format     dbsecret.RowsFormat
	}{
		{"no arguments", `SELECT id, first_name FROM big`, nil, dbsecret.RowsText},
		{"one argument", `SELECT id, first_name FROM big WHERE id > $1`, []any{0}, dbsecret.RowsText},
		{"csv", `SELECT id, first_name FROM big`, nil, dbsecret.RowsCSV},
		{"json", `SELECT id, first_name FROM big`, nil, dbsecret.RowsJSON},
	} {
		b.Run(query.name, func(b *testing.B) {
			var bare, ours []time.Duration
			for b.Loop() {
				began := time.Now()
				n, err := bareLoop(context.Background(), driver, query.text, query.args...)
				bare = append(bare, time.Since(began))
				if err != nil || n != million {
					b.Fatal(n, err)
				}
				began = time.Now()
				result, err := dbsecret.WriteRowsAs(context.Background(), io.Discard, db, &dbsecret.RowsOptions{Format: query.format}, query.text, query.args...)
				ours = append(ours, time.Since(began))
				if err != nil || result.Rows != million {
					b.Fatal(result.Rows, err)
				}
			}
			slices.Sort(bare)
			slices.Sort(ours)
			rate := func(d []time.Duration) float64 { return million / d[len(d)/2].Seconds() }
			b.ReportMetric(rate(ours), "rows/s")
			b.ReportMetric(rate(bare), "bare-rows/s")
			b.ReportMetric(rate(ours)/rate(bare), "ratio")
		})
	}
}

// bare opens the database with lib/pq alone, verifying as we do.
func (s *server) bare(t testing.TB) *sql.DB {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(root, s.RootPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := pq.NewConnectorConfig(pq.Config{
		Host: s.Host, Port: uint16(s.Port), Database: s.Database, User: s.User, Password: string(s.Password().Clone()),
		SSLMode: pq.SSLModeVerifyFull, SSLRootCert: root,
	})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() { db.Close() })
	return db
}

// bareLoop is what a program without this package would write.
func bareLoop(ctx context.Context, db *sql.DB, query string, args ...any) (n int, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var id int
	var name string
	for rows.Next() {
		if err := rows.Scan(&id, &name); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Err()
}
