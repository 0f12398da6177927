package cleanroomtest_test

import (
	"context"
	"fmt"
	"log"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/skr"
)

// A room of the local environment has its report attested, as a genuine one
// does: the token is signed, and the client verifies it.
func Example() {
	ctx := context.Background()
	env, err := cleanroomtest.Start(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer env.Close()
	guest := env.Launch([]byte("package policy\n"))
	conn, err := guest.Connect(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	client, err := skr.NewMAAClient("https://"+cleanroomtest.AttestationHost, &skr.MAAClientOptions{ClientOptions: conn.ClientOptions()})
	if err != nil {
		log.Fatal(err)
	}
	evidence, err := guest.Attest(ctx, []byte(`{"keys":[]}`))
	if err != nil {
		log.Fatal(err)
	}
	token, err := client.Attest(ctx, evidence, "nonce")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Claims()["x-ms-compliance-status"])
	fmt.Println("debuggable:", token.Claims()["x-ms-sevsnpvm-is-debuggable"])
	// Output:
	// azure-compliant-uvm
	// debuggable: false
}
