// Command query is the program that runs in the clean room. Its environment
// comes from the deployment template; nothing else configures it:
// CLEANROOM_GOVERNANCE names the contract and the ledger,
// CLEANROOM_SINK_CONSUMER_OUTPUT the output, and DB_CONFIG_CGS_SECRET_ID the
// secret that describes the database.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/examples/internal/party"
	"github.com/cleanroom-go/sdk/examples/internal/query"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := query.Run(ctx, os.Args[1:], &cleanroom.RoomOptions{Application: query.Application})
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(party.ExitCode(err))
}
