package record_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/cleanroom-go/sdk/record"
)

// A program records its exchanges and what it says about them.
func Example() {
	service := httptest.NewServer(http.NotFoundHandler())
	defer service.Close()
	var file bytes.Buffer // or an *os.File
	r := record.New("consumer", &file, nil)
	client := &http.Client{Transport: r.Wrap(http.DefaultTransport)}
	if resp, err := client.Get(service.URL + "/contracts/c1?token=secret"); err == nil {
		_ = resp.Body.Close()
	}
	r.Add(record.Entry{Step: &record.Step{Text: "looked for the contract"}})
	if err := r.Close(); err != nil {
		fmt.Println(err)
	}

	all, err := record.Read(&file) // and the files of the other parties
	if err != nil {
		fmt.Println(err)
		return
	}
	all.Entries[0].Exchange.Host = "ledger.example"
	if err := all.WriteMermaid(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// sequenceDiagram
	//   actor n0 as consumer
	//   participant n1 as service ledger.example
	//   Note over n0: looked for the contract
	//   n0->>n1: GET /contracts/c1 → 404
}
