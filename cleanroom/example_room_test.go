package cleanroom_test

import (
	"context"
	"io"
	"log"
	"os"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/dbsecret"
)

func run(ctx context.Context) error {
	room, err := cleanroom.Enter(ctx, nil) // attests the room, and wants every member's consent
	if err != nil {
		return err
	}
	defer room.Close()
	db, err := room.OpenDB(ctx, os.Getenv("DB_CONFIG_CGS_SECRET_ID")) // secret -> key release -> verify-full TLS -> *sql.DB
	if err != nil {
		return err
	}
	defer db.Close()
	out, err := room.Output(ctx, "consumer-output") // the consumer's container, under the consumer's key
	if err != nil {
		return err
	}
	return out.WriteFile(ctx, "output.txt", func(w io.Writer) error {
		_, err := dbsecret.WriteRows(ctx, w, db, `SELECT id, first_name FROM users WHERE gender = $1 ORDER BY id`, "Female")
		return err
	})
}

// The whole program in a room. What it needs to know is in its environment,
// where the deployment that the parties agreed on has put it.
func ExampleEnter() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
