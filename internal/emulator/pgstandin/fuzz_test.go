package pgstandin

import (
	"bytes"
	"testing"
)

// FuzzParse: whatever a client says is understood or refused.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", ";", "SELECT 1", "SELECT id, first_name FROM users WHERE gender = $1 AND id BETWEEN $2::bigint AND $3::bigint ORDER BY id",
		"select count(*) as n from users where first_name = 'O''Brien' limit 3;", `SELECT "id" FROM users`, "SHOW server_version",
		"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "COMMIT", "ROLLBACK", "DELETE FROM users", "SELECT '", "SELECT $0", "SELECT $99999999999", "/* a", "-- a",
	} {
		f.Add(seed)
	}
	s := &Server{tables: sampleTables()}
	f.Fuzz(func(t *testing.T, statement string) {
		if p, err := s.parse(statement, nil); (p == nil) == (err == nil) {
			t.Errorf("%q is %v, %v", statement, p, err)
		}
	})
}

// FuzzMessages: what comes before a password can be anything.
func FuzzMessages(f *testing.F) {
	f.Add([]byte{0, 0, 0, 8, 4, 210, 22, 47})
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0})
	f.Add([]byte("Q\x00\x00\x00\x0dSELECT 1\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, body, err := readStartup(bytes.NewReader(b)); err == nil && len(body) > len(b) {
			t.Errorf("a start of %d bytes has a body of %d", len(b), len(body))
		}
		if _, body, err := readMessage(bytes.NewReader(b)); err == nil && len(body) > len(b) {
			t.Errorf("a message of %d bytes has a body of %d", len(b), len(body))
		}
	})
}
