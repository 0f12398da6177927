// Command publisher plays the publisher's part of a clean room collaboration, step by
// step, against the real services; -h lists steps and flags.
package main

import (
	"github.com/cleanroom-go/sdk/examples/internal/party"
	"github.com/cleanroom-go/sdk/examples/internal/publisher"
)

func main() { party.Main(publisher.Run) }
