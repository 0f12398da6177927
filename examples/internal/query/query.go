// Package query is the program in the clean room: it writes who of the
// publisher's users has a gender to the consumer's output.
package query

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/dbsecret"
)

// What the parties' document calls this program and what it uses.
const (
	Application    = "query"
	Output         = "consumer-output"
	SecretVariable = "DB_CONFIG_CGS_SECRET_ID"

	statement = `SELECT id, first_name FROM users WHERE gender = $1 ORDER BY id`
)

// Run is the program; nil options are those of a genuine room.
func Run(ctx context.Context, args []string, o *cleanroom.RoomOptions) (err error) {
	if o == nil {
		o = &cleanroom.RoomOptions{Application: Application}
	}
	flags := flag.NewFlagSet(Application, flag.ContinueOnError)
	flags.BoolVar(&o.Database.AllowTLSWeakerThanVerifyFull, "insecure-db-tls", false, "do as the document says even if that proves less than verify-full")
	gender := flags.String("gender", "Female", "whom to select")
	if err := flags.Parse(args); err != nil {
		return err
	}
	room, err := cleanroom.Enter(ctx, o) // attests, and wants every member's consent
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, room.Close()) }()
	db, err := room.OpenDB(ctx, os.Getenv(SecretVariable)) // ledger, attestation, key release, TLS
	if err != nil {
		return err
	}
	defer db.Close()
	out, err := room.Output(ctx, Output)
	if err != nil {
		return err
	}
	var result dbsecret.RowsResult
	if err := out.WriteFile(ctx, "output.txt", func(w io.Writer) (err error) {
		result, err = dbsecret.WriteRows(ctx, w, db, statement, *gender)
		return err
	}); err != nil {
		return err
	}
	room.Log().Info("output written", "rows", result.Rows, "bytes", result.Bytes)
	return room.Report(ctx, map[string]any{"source": Application, "message": "output written", "rows": result.Rows})
}
