//go:build linux || darwin

package postgres

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// start runs a cluster for a test, in a directory whose emptiness the test can
// check.
func start(t *testing.T, opts Options) *Cluster {
	t.Helper()
	requireServer(t)
	c, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func requireServer(t *testing.T) {
	t.Helper()
	_, err := Find()
	if errors.Is(err, ErrNotInstalled) && os.Getenv("CLEANROOM_REQUIRE_POSTGRES") != "1" {
		t.Skip("no PostgreSQL server here: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestStart(t *testing.T) {
	began := time.Now()
	c := start(t, Options{})
	t.Logf("%s ready on port %d in %v: %+v", c.Version, c.Port, time.Since(began), c.process.took)
	if !strings.HasPrefix(c.Version, "PostgreSQL ") {
		t.Errorf("version %q", c.Version)
	}
	db, err := c.open(c.User, c.password, c.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var users, female, plants int
	err = db.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM users WHERE gender = 'Female'), (SELECT count(*) FROM plants)`).Scan(&users, &female, &plants)
	if err != nil {
		t.Fatal(err)
	}
	if users != Users || female != FemaleUsers || plants != Plants {
		t.Errorf("%d users, %d of them female, %d plants", users, female, plants)
	}
}
