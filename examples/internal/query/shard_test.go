package query

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/internal/emulator/postgres/pgtest"
)

// job is what a child process is told on its standard input.
type job struct {
	Document dbsecret.Document
	Password string
	Dir      string
	Stall    bool // within its query, until killed
}

func TestMain(m *testing.M) {
	if os.Getenv("QUERY_TEST_CHILD") == "1" {
		if err := child(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child runs one shard, as its environment says.
func child(ctx context.Context) error {
	var j job
	if err := json.NewDecoder(os.Stdin).Decode(&j); err != nil {
		return err
	}
	shard, err := dbsecret.ShardOf(os.Getenv)
	if err != nil {
		return err
	}
	connector, err := dbsecret.NewConnector(&j.Document, pgtest.Password(j.Password), nil)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	sink, err := directory(j.Dir)
	if err != nil {
		return err
	}
	var q dbsecret.Queryer = db
	if j.Stall {
		q = staller{db}
	}
	_, err = write(ctx, q, sink, shard, nil)
	return err
}

func directory(dir string) (*datasink.Sink, error) {
	return datasink.NewWithBackend(datasink.Dir(dir), nil)
}

// staller has a query that never ends.
type staller struct{ dbsecret.Queryer }

func (s staller) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	fmt.Println("reading")
	select {}
}

// start runs one shard in a process of its own.
func start(t *testing.T, j job, shard dbsecret.Shard) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "QUERY_TEST_CHILD=1",
		fmt.Sprintf("%s=%d", dbsecret.ShardIndexVariable, shard.Index), fmt.Sprintf("%s=%d", dbsecret.ShardCountVariable, shard.Count))
	if shard.Single() {
		cmd.Env = append(os.Environ(), "QUERY_TEST_CHILD=1")
	}
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(text)), os.Stderr
	return cmd
}

// TestShards runs a shard in each of several processes, kills one in the middle
// and runs it again, and compares the parts with what a single run writes.
func TestShards(t *testing.T) {
	s := pgtest.Start(t)
	s.Exec(t, `INSERT INTO users (id, first_name, gender) VALUES (-7, 'Below', 'Female'), (5000, 'Above', 'Female')`)
	run := job{Document: *s.Document(), Password: string(s.Unwrapper()), Dir: t.TempDir()}
	if err := start(t, run, dbsecret.Shard{}).Run(); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(run.Dir, File))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(want), "\n"); n != 523 {
		t.Fatalf("the single run has %d rows, want 523", n)
	}
	for _, count := range []int{1, 3, 8} {
		run.Dir = t.TempDir()
		stalled := run
		stalled.Stall = true
		victim := dbsecret.Shard{Index: count / 2, Count: count}
		killed := start(t, stalled, victim)
		out, err := killed.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := killed.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		var others []*exec.Cmd
		for i := range count {
			if i != victim.Index {
				cmd := start(t, run, dbsecret.Shard{Index: i, Count: count})
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				others = append(others, cmd)
			}
		}
		for _, cmd := range others {
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
		}
		if err := killed.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := killed.Wait(); err == nil {
			t.Error("the killed shard succeeded")
		}
		if _, err := os.Stat(filepath.Join(run.Dir, victim.Part())); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the killed shard left a part: %v", err)
		}
		if err := start(t, run, victim).Run(); err != nil {
			t.Fatal(err)
		}
		if err := start(t, run, victim).Run(); err != nil { // once more changes nothing
			t.Fatal(err)
		}
		var union strings.Builder
		parts := 0
		for i := range count {
			part, err := os.ReadFile(filepath.Join(run.Dir, dbsecret.Shard{Index: i, Count: count}.Part()))
			if err != nil {
				t.Fatal(err)
			}
			if len(part) > 0 {
				parts++
			}
			union.Write(part)
		}
		if union.String() != string(want) || parts != count {
			t.Errorf("%d shards: %d bytes in %d parts, the single run has %d", count, union.Len(), parts, len(want))
		}
	}
}

// TestMoreShardsThanIDs leaves empty parts, and reads nothing for them.
func TestMoreShardsThanIDs(t *testing.T) {
	sink, err := datasink.NewWithBackend(datasink.Memory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	shard := dbsecret.Shard{Index: 1, Count: 50_000}
	for shard.Index < 100 {
		if _, _, ok, _ := shard.Range(lowID, highID); !ok {
			break
		}
		shard.Index++
	}
	if result, err := write(t.Context(), nil, sink, shard, nil); err != nil || result.Rows != 0 {
		t.Errorf("%+v, %v", result, err)
	}
	if info, err := sink.Stat(t.Context(), shard.Part()); err != nil || info.Size != 0 {
		t.Errorf("%+v, %v", info, err)
	}
}

// TestShardFlag: what cannot be meant ends before the room is entered.
func TestShardFlag(t *testing.T) {
	for _, args := range [][]string{{"-shard", "4/4"}, {"-shard", "all"}} {
		if err := Run(t.Context(), args, &cleanroom.RoomOptions{}); err == nil || !strings.Contains(err.Error(), "i/n") {
			t.Errorf("%q: %v", args, err)
		}
	}
	t.Setenv(dbsecret.ShardIndexVariable, "2")
	if err := Run(t.Context(), nil, &cleanroom.RoomOptions{}); err == nil || !strings.Contains(err.Error(), dbsecret.ShardCountVariable) {
		t.Errorf("an index alone: %v", err)
	}
}
