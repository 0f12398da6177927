package governance_test

import (
	"context"
	"fmt"

	"github.com/cleanroom-go/sdk/governance"
)

// Approvers, here one member, agree on a document; one of them stops it later.
func ExampleClient_UserDocument() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	_, err := s.client.Contract("collab2").Create(ctx, "terms")
	must(err)
	query := s.client.UserDocument("query1")
	version, err := query.Create(ctx, governance.UserDocumentDraft{
		ContractID: "collab2", Data: "SELECT 1", Labels: map[string]string{"kind": "query"},
	})
	must(err)
	me := governance.Approver{ID: s.client.Member().ID(), Kind: governance.ApproverMember}
	proposal, err := query.Propose(ctx, version, me)
	must(err)
	fmt.Println(proposal.State)
	proposal, err = query.Vote(ctx, proposal.ID, true)
	must(err)
	fmt.Println(proposal.State)

	must(query.DisableOption(ctx, "collab2", governance.Execution))
	status, err := query.Option(ctx, "collab2", governance.Execution)
	must(err)
	fmt.Println("may run:", status.Enabled)
	// Output:
	// Open
	// Accepted
	// may run: false
}

// Whoever made a proposal can look at what it does, and take it back.
func ExampleClient_UserProposal() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	_, err := s.client.Contract("collab2").Create(ctx, "terms")
	must(err)
	query := s.client.UserDocument("query1")
	version, err := query.Create(ctx, governance.UserDocumentDraft{ContractID: "collab2", Data: "SELECT 1"})
	must(err)
	proposed, err := query.Propose(ctx, version) // by the members who count
	must(err)
	proposal := s.client.UserProposal(proposed.ID)
	content, err := proposal.Content(ctx)
	must(err)
	fmt.Println(content.Name, "by", len(content.Approvers))
	withdrawn, err := proposal.Withdraw(ctx)
	must(err)
	fmt.Println(withdrawn.State)
	// Output:
	// set_user_document by 1
	// Withdrawn
}
