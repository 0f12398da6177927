package cleanroomtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/internal/emulator/postgres"
)

// TestNotFound: a machine without PostgreSQL is told how to install it, one
// with a wrong setting what is wrong.
func TestNotFound(t *testing.T) {
	err := notFound(fmt.Errorf("find: %w", postgres.ErrNotInstalled))
	if !errors.Is(err, ErrNoPostgreSQL) || !strings.Contains(err.Error(), postgres.InstallHint()) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	wrong := errors.New("CLEANROOM_PG_BIN is wrong")
	if err := notFound(wrong); errors.Is(err, ErrNoPostgreSQL) || !errors.Is(err, wrong) {
		t.Errorf("%v", err)
	}
}
