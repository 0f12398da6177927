package pgstandin_test

import (
	"context"
	"database/sql"
	"slices"
	"testing"

	"github.com/cleanroom-go/sdk/internal/emulator/postgres/pgtest"
)

type statement struct {
	text string
	args []any
	rows int
}

// statements have one right answer, so that two servers can be compared.
var statements = []statement{
	{"SELECT id, first_name FROM users WHERE gender = $1 ORDER BY id", []any{"Female"}, 521},
	{"SELECT id, first_name FROM users WHERE gender = $1 AND id BETWEEN $2::bigint AND $3::bigint ORDER BY id", []any{"Female", 1, 1000}, 521},
	{"SELECT id, first_name FROM users WHERE gender = $1 AND id BETWEEN $2::bigint AND $3::bigint ORDER BY id", []any{"Male", int64(500), int64(1) << 40}, -1},
	{"SELECT id, first_name FROM users WHERE gender = $1 LIMIT 0", []any{"Female"}, 0},
	{"SELECT * FROM users ORDER BY id", nil, 1000},
	{"select ID, Gender from Users order by Id desc limit 7;", nil, 7},
	{"SELECT count(*) FROM users WHERE gender = 'Male'", nil, 1},
	{"SELECT count(*) AS n FROM users WHERE id <= $1", []any{10}, 1},
	{"SELECT first_name AS name, id FROM users WHERE last_name = 'O''Brien' ORDER BY name, id", nil, -1},
	{"SELECT first_name, id FROM users WHERE first_name > 'Z' ORDER BY first_name DESC, id ASC", nil, -1},
	{"SELECT id FROM users WHERE id = '42'", nil, 1},
	{"SELECT id FROM users WHERE id >= $1 AND id <> $2 AND id < 20 ORDER BY id LIMIT $3", []any{10, 12, 5}, 5},
	{"SELECT id FROM users WHERE gender IS NULL", nil, 0},
	{"SELECT email FROM users WHERE gender IS NOT NULL AND id > -3 ORDER BY email", nil, 1000},
	{"SELECT id FROM users WHERE gender = $1", []any{nil}, 0},
	{"SELECT * FROM plants ORDER BY id", nil, 50},
	{"SELECT id, birth_date FROM plants WHERE birth_date < '2020-03-01' ORDER BY birth_date, id", nil, -1},
	{"SELECT \"name\", user_id AS \"The User\" FROM plants WHERE birth_date >= $1 ORDER BY \"The User\"", []any{"2020-03-01"}, -1},
	{"SELECT 1", nil, 1},
	{"SELECT 7 AS seven, -3000000000, current_database(), current_user", nil, 1},
	{"SHOW transaction_read_only", nil, 1},
	{"SHOW client_encoding", nil, 1},
	{"show datestyle", nil, 1},
}

// refused are answered by both with this SQLSTATE and the same words.
var refused = []struct {
	text string
	args []any
	code string
}{
	{`SELECT id FROM users WHERE gender = "Female"`, nil, "42703"},
	{"SELECT nobody FROM users", nil, "42703"},
	{"SELECT id FROM users ORDER BY nobody", nil, "42703"},
	{"SELECT nobody", nil, "42703"},
	{"SELECT id FROM nobody WHERE id = $1", []any{1}, "42P01"},
	{"SELECT id FROM users WHERE gender = 1", nil, "42883"},
	{"SELECT id FROM users WHERE id = $1::text", []any{"1"}, "42883"},
	{"SELECT id FROM users WHERE id = 'one'", nil, "22P02"},
	{"SELECT id FROM users WHERE id = $1", []any{"one"}, "22P02"},
	{"SELECT id FROM users WHERE id = $1", []any{int64(1) << 40}, "22003"},
	{"SELECT id FROM users LIMIT -1", nil, "2201W"},
	{"SELECT id FROM users WHERE id = $2", []any{1, 2}, "42P18"},
	{"SELECT id FROM users WHERE id = $1", nil, "42P02"},
}

// TestConformance runs the statements against a PostgreSQL and the stand-in, as
// they are and within a transaction that may only read.
func TestConformance(t *testing.T) {
	s := start(t)
	genuine := pgtest.Start(t)
	theirs, ours := open(t, genuine.Document(), genuine.Password().Clone()), s.open(t)
	compared := 0
	for _, st := range statements {
		ctx := t.Context()
		want, err := selected(theirs.QueryContext(ctx, st.text, st.args...))
		if err != nil {
			t.Errorf("%s: PostgreSQL: %v", st.text, err)
			continue
		}
		got, err := selected(ours.QueryContext(ctx, st.text, st.args...))
		if err != nil {
			t.Errorf("%s: %v", st.text, err)
			continue
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v\n%.500q\nPostgreSQL has\n%.500q", st.text, st.args, got, want)
		}
		if n := len(got) - 1; st.rows >= 0 && n != st.rows || st.rows < 0 && n < 2 {
			t.Errorf("%s: %d rows, want %d", st.text, n, st.rows)
		}
		within, err := inReadOnly(ctx, ours, st)
		if err != nil || st.text != "SHOW transaction_read_only" && !slices.Equal(within, want) {
			t.Errorf("%s: in a transaction: %v\n%.500q", st.text, err, within)
		}
		compared++
	}
	if compared != 23 {
		t.Errorf("%d statements were compared, want 23", compared)
	}
	for _, r := range refused {
		_, err := selected(theirs.QueryContext(t.Context(), r.text, r.args...))
		want := wantCode(t, err, r.code)
		_, err = selected(ours.QueryContext(t.Context(), r.text, r.args...))
		if got := wantCode(t, err, r.code); got.Message != want.Message {
			t.Errorf("%s: %q, PostgreSQL says %q", r.text, got.Message, want.Message)
		}
	}
	if len(refused) != 13 {
		t.Errorf("%d refusals, want 13", len(refused))
	}
}

func inReadOnly(ctx context.Context, db *sql.DB, st statement) ([]string, error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }()
	got, err := selected(tx.QueryContext(ctx, st.text, st.args...))
	if err != nil {
		return nil, err
	}
	return got, tx.Commit()
}

// TestTransactions takes both servers through the same turns.
func TestTransactions(t *testing.T) {
	s := start(t)
	genuine := pgtest.Start(t)
	for name, db := range map[string]*sql.DB{"PostgreSQL": open(t, genuine.Document(), genuine.Password().Clone()), "stand-in": s.open(t)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelSerializable})
			if err != nil {
				t.Fatal(err)
			}
			for setting, want := range map[string]string{"transaction_read_only": "on", "transaction_isolation": "serializable"} {
				var got string
				if err := tx.QueryRowContext(ctx, "SHOW "+setting).Scan(&got); err != nil || got != want {
					t.Errorf("%s is %q, %v", setting, got, err)
				}
			}
			_, err = tx.ExecContext(ctx, "DELETE FROM plants")
			wantCode(t, err, "25006")
			_, err = tx.ExecContext(ctx, "SELECT 1")
			wantCode(t, err, "25P02")
			if err := tx.Rollback(); err != nil {
				t.Error(err)
			}
			if tx, err = db.BeginTx(ctx, nil); err != nil {
				t.Fatal(err)
			}
			_, err = tx.ExecContext(ctx, "SELECT nobody FROM users")
			wantCode(t, err, "42703")
			if err := tx.Commit(); err == nil {
				t.Error("a failed transaction was committed")
			}
			statement, err := db.PrepareContext(ctx, "SELECT count(*) FROM users WHERE gender = $1")
			if err != nil {
				t.Fatal(err)
			}
			defer statement.Close()
			for gender, want := range map[string]int{"Female": 521, "Male": 479, "": 0} {
				var n int
				if err := statement.QueryRowContext(ctx, gender).Scan(&n); err != nil || n != want {
					t.Errorf("%d of gender %q, %v", n, gender, err)
				}
			}
			if err := db.PingContext(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}
