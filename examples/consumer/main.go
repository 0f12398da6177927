// Command consumer plays the consumer's part of a clean room collaboration, step by
// step, against the real services; -h lists steps and flags.
package main

import (
	"github.com/cleanroom-go/sdk/examples/internal/consumer"
	"github.com/cleanroom-go/sdk/examples/internal/party"
)

func main() { party.Main(consumer.Run) }
