package dbsecret_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/dbsecret"
)

// BenchmarkMemory prints the most that the process had in memory while it wrote
// so many rows, in each form: it is the same for a thousand and ten million. The
// small result comes first, so that nothing larger is left in memory from before.
func BenchmarkMemory(b *testing.B) {
	s := sharedServer(b)
	db := s.db(b)
	for _, rows := range []int64{1_000, 100_000, 1_000_000, 10_000_000} {
		for _, format := range []dbsecret.RowsFormat{dbsecret.RowsText, dbsecret.RowsCSV, dbsecret.RowsJSON} {
			b.Run(fmt.Sprintf("%s/%d", format, rows), func(b *testing.B) {
				query := fmt.Sprintf(`SELECT n AS id, 'Name' || n %% 997 AS first_name FROM (SELECT generate_series(1, %d) AS n) AS q`, rows)
				debug.FreeOSMemory()
				w := &residentPeak{most: resident(b)}
				for b.Loop() {
					result, err := dbsecret.WriteRowsAs(context.Background(), w, db, &dbsecret.RowsOptions{Format: format}, query)
					if err != nil || result.Rows != rows {
						b.Fatal(result.Rows, err)
					}
				}
				w.most = max(w.most, resident(b))
				b.ReportMetric(float64(w.most)/(1<<20), "RSS-MiB")
			})
		}
	}
}

// residentPeak looks at the memory with every hundredth write.
type residentPeak struct{ writes, most int }

func (r *residentPeak) Write(p []byte) (int, error) {
	if r.writes++; r.writes%100 == 0 {
		r.most = max(r.most, resident(nil))
	}
	return len(p), nil
}

// resident is the process's memory in bytes, as the kernel counts it.
func resident(b *testing.B) int {
	text, err := os.ReadFile("/proc/self/status")
	_, line, _ := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(line)
	if err != nil || len(fields) == 0 {
		if b != nil {
			b.Skip("this system does not tell how much memory a process has")
		}
		return 0
	}
	n, err := strconv.Atoi(fields[0])
	if err != nil && b != nil {
		b.Fatal(err)
	}
	return n << 10
}

// turns counts the client's writes behind something that it read: each is a
// round trip.
type turns struct {
	net.Conn
	mu   sync.Mutex
	read bool
	n    int
}

func (c *turns) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	c.Conn, c.read = conn, true // the connection itself is the first
	return c, err
}

func (c *turns) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = true
	return n, err
}

func (c *turns) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.read {
		c.n++
	}
	c.read = false
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *turns) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// TestTimeToFirstRow counts the round trips until rows come: the connection, TLS
// asked for and agreed on, the login's three, and the query, which is one more
// with arguments. On an open connection only the query is left.
func TestTimeToFirstRow(t *testing.T) {
	s := sharedServer(t)
	for _, test := range []struct {
		name          string
		args          []any
		first, second int
	}{
		{"no arguments", nil, 7, 1},
		{"one argument", []any{"Female"}, 8, 2},
	} {
		counting := &turns{}
		db := open(t, s.document(), s.unwrapper(), &dbsecret.Options{Dialer: counting})
		query := `SELECT id FROM users`
		if test.args != nil {
			query += ` WHERE gender = $1`
		}
		for i, want := range []int{test.first, test.second} {
			before := counting.count()
			if _, err := dbsecret.WriteRows(t.Context(), io.Discard, db, query, test.args...); err != nil {
				t.Fatal(err)
			}
			got := counting.count() - before
			t.Logf("%s: %d round trips to the first row of query %d", test.name, got, i+1)
			if got > want {
				t.Errorf("%s: %d round trips to the first row of query %d, want %d", test.name, got, i+1, want)
			}
		}
	}
}
