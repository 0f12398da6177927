package governance_test

import (
	"context"
	"fmt"
)

// The members agree on a document beside their contract, and a room reads it.
func ExampleClient_Document() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	_, err := s.client.Contract("collab2").Create(ctx, "terms of another contract")
	must(err)
	query := s.client.Document("query1")
	version, err := query.Create(ctx, "collab2", "SELECT 1")
	must(err)
	proposal, err := query.Propose(ctx, version)
	must(err)
	_, err = query.Vote(ctx, proposal.ID, true)
	must(err)
	document, err := query.Get(ctx)
	must(err)
	fmt.Println(document.State, document.Data)

	room := s.room(ctx) // of collab1
	defer room.Close()
	_, err = room.Document(ctx, "query1")
	fmt.Println(err)
	// Output:
	// Accepted SELECT 1
	// governance: read document query1 of collab1: ContractIdMismatch (400): The contractId of the URL, collab1, is not that of the document, collab2.
	// 	remedy the document belongs to another contract: only rooms of that one can read it
}
