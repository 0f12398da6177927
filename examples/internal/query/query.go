// Package query is the program in the clean room: it writes who of the
// publisher's users is female to the consumer's output.
package query

import (
	"context"
	"errors"
	"os"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/examples/internal/terminal"
)

// What the parties' document calls this program and what it uses.
const (
	Application, Output, File, SecretVariable = "query", "consumer-output", "output.txt", "DB_CONFIG_CGS_SECRET_ID"
)

// Run is the program; the zero value of o is right for a genuine room.
func Run(ctx context.Context, args []string, o *cleanroom.RoomOptions) (err error) {
	flags := terminal.NewFlags(Application, "[flags], in a clean room")
	flags.BoolVar(&o.Database.AllowTLSWeakerThanVerifyFull, "insecure-db-tls", o.Database.AllowTLSWeakerThanVerifyFull, "take the database's document at its word below verify-full")
	part := flags.String("shard", "", "run as shard `i/n`, from 0/n; by default what an Indexed Job of Kubernetes says, or all")
	asJSON := flags.Bool("json", false, "print what was written as one JSON document")
	if err := flags.Parse(args); err != nil {
		return err
	}
	shard, err := shardOf(*part)
	if err != nil {
		return err
	}
	room, err := cleanroom.Enter(ctx, o) // attests, and wants every member's consent
	if err != nil {
		return err
	}
	defer func() {
		if err != nil { // nobody sees a room's standard error: the log and the audit are all there is
			room.Log().Error("no output", "error", err)
			err = errors.Join(err, room.Report(context.WithoutCancel(ctx), "no output was written"))
		}
		err = errors.Join(err, room.Close())
	}()
	db, err := room.OpenDB(ctx, os.Getenv(SecretVariable)) // ledger, attestation, key release, TLS
	if err != nil {
		return err
	}
	defer db.Close()
	out, err := room.Output(ctx, Output)
	if err != nil {
		return err
	}
	tell, done := rowProgress(os.Stderr)
	result, err := write(ctx, db, out, shard, tell)
	if done(); err != nil {
		return err
	}
	room.Log().Info("output written", "rows", result.Rows, "bytes", result.Bytes)
	return errors.Join(room.Report(ctx, map[string]any{"source": Application, "message": "output written", "rows": result.Rows}), show(*asJSON, result))
}
