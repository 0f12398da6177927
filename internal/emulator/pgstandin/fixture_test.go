package pgstandin_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"github.com/lib/pq"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/internal/emulator/pgstandin"
	"github.com/cleanroom-go/sdk/internal/emulator/postgres/pgtest"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// standIn is a running stand-in with the root of its certificate.
type standIn struct {
	*pgstandin.Server
	root []byte
}

func start(t *testing.T) *standIn {
	t.Helper()
	ca, err := testpki.New("database")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("localhost")
	if err != nil {
		t.Fatal(err)
	}
	s, err := pgstandin.Start(cert)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Stop(), s.Stop()); err != nil {
			t.Error(err)
		}
	})
	return &standIn{s, ca.RootPEM()}
}

func (s *standIn) document() *dbsecret.Document {
	return &dbsecret.Document{
		Endpoint: s.Host, Port: s.Port, Name: s.Database, User: s.User, SSLRootCert: string(s.root), Password: pgtest.Reference(),
	}
}

// open leads to the server that the document describes.
func open(t *testing.T, doc *dbsecret.Document, password []byte) *sql.DB {
	t.Helper()
	db := sql.OpenDB(pgtest.Connector(t, doc, pgtest.Password(password), nil))
	t.Cleanup(func() { db.Close() })
	return db
}

func (s *standIn) open(t *testing.T) *sql.DB { return open(t, s.document(), s.Password().Clone()) }

// selected is what a query gave: its columns with their types, then its rows.
func selected(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	var head string
	values, dest := make([]any, len(columns)), make([]any, len(columns))
	for i, c := range columns {
		head += fmt.Sprintf("%q %s %v, ", c.Name(), c.DatabaseTypeName(), c.ScanType())
		dest[i] = &values[i]
	}
	all := []string{head}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		line := ""
		for _, v := range values {
			line += fmt.Sprintf("%T %v, ", v, v)
		}
		all = append(all, line)
	}
	return all, rows.Err()
}

// wantCode wants an answer of the server with this SQLSTATE.
func wantCode(t *testing.T, err error, code string) *pq.Error {
	t.Helper()
	var answer *pq.Error
	if !errors.As(err, &answer) || string(answer.Code) != code {
		t.Errorf("%v, want SQLSTATE %s", err, code)
		return &pq.Error{}
	}
	return answer
}
