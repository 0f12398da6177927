package cleanroomtest_test

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
)

// TestStandIn: it says what it is, takes the place of the one database, and is
// gone with the environment.
func TestStandIn(t *testing.T) {
	t.Setenv("CLEANROOM_PG_BIN", "none")
	env := start(t)
	if _, err := env.StartDatabase(t.Context()); !errors.Is(err, cleanroomtest.ErrNoPostgreSQL) {
		t.Errorf("%v, want ErrNoPostgreSQL", err)
	}
	d, err := env.StartStandIn()
	if err != nil {
		t.Fatal(err)
	}
	if !d.StandIn || !strings.Contains(d.Version, "not PostgreSQL") || len(d.RootPEM) == 0 || len(d.Password()) < 20 {
		t.Errorf("%q, stand-in %t, %d bytes of roots", d.Version, d.StandIn, len(d.RootPEM))
	}
	if _, err := env.StartStandIn(); err == nil {
		t.Error("a second database was started")
	}
	if err := env.Close(); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(d.Port))); err == nil {
		conn.Close()
		t.Error("the stand-in outlives its environment")
	}
	if _, err := env.StartStandIn(); err == nil {
		t.Error("a closed environment starts one")
	}
}
