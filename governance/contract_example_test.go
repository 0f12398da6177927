package governance_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cleanroom-go/sdk/governance"
)

// A draft has a version, and whoever changes or proposes it says which one was
// looked at.
func ExampleContractClient() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	contract := s.client.Contract("collab2")
	first, err := contract.Create(ctx, "one query")
	must(err)
	second, err := contract.Update(ctx, "two queries", first)
	must(err)
	_, err = contract.Propose(ctx, first)
	fmt.Println("proposing the first version:", errors.Is(err, governance.ErrContractModified))

	proposal, err := contract.Propose(ctx, second)
	must(err)
	_, err = contract.Vote(ctx, proposal.ID, true)
	must(err)
	accepted, err := contract.Wait(ctx, proposal.ID)
	must(err)
	fmt.Println(accepted.State, accepted.Data)
	// Output:
	// proposing the first version: true
	// Accepted two queries
}

func ExampleClient_Contracts() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	for id, err := range s.client.Contracts(ctx, &governance.ContractsOptions{State: governance.ContractAccepted}) {
		must(err)
		fmt.Println(id)
	}
	// Output: collab1
}

// A room reports what it does, and members read it.
func ExampleContractClient_Events() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	room := s.room(ctx)
	defer room.Close()
	for _, step := range []string{"started", "finished"} {
		must(room.PutEvent(ctx, map[string]string{"step": step}, nil))
	}
	for event, err := range s.client.Contract("collab1").Events(ctx, nil) {
		must(err)
		fmt.Println(string(event.Data))
	}
	// Output:
	// {"step":"started"}
	// {"step":"finished"}
}

// A vote of a member is missing, and the wait for the others says whose. What
// happens in which order is in the history.
func ExampleProposalClient_Wait() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	p, err := s.client.Contract("collab1").ProposeLogging(ctx)
	must(err)
	proposal := s.client.Proposal(p.ID)
	soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = proposal.Wait(soon)
	var denied *governance.DeniedError
	if errors.As(err, &denied) && errors.Is(err, context.DeadlineExceeded) {
		fmt.Println(denied.Checks[len(denied.Checks)-1].Remedy)
	}

	_, err = proposal.Vote(ctx, true)
	must(err)
	p, err = proposal.Wait(ctx)
	must(err)
	states, err := proposal.History(ctx)
	must(err)
	fmt.Println(p.State, "after", len(states), "writes")
	// Output:
	// ask consumer to vote
	// Accepted after 2 writes
}
