package governance

import "context"

// Wait returns the contract once the proposal is accepted, as
// [ProposalClient.Wait] does: anything else that becomes of it, and the end of
// the context, is a [*DeniedError]. A contract that was accepted under another
// proposal is one too. Without the proposal's id the wait is for the one that
// the contract names now; a draft names none, and is not waited for.
func (c *ContractClient) Wait(ctx context.Context, proposalID string) (_ *Contract, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.Wait")
	defer end(&err)
	op := c.op("wait for contract")
	if proposalID == "" {
		v, err := c.Get(ctx)
		if err != nil {
			return nil, err
		}
		if v.State == ContractAccepted {
			return v, nil
		}
		state := equalCheck("contract.state", ContractProposed, v.State, "propose the contract first")
		if err := denied(op, "this program", []Check{state}, nil); err != nil {
			return nil, err
		}
		proposalID = v.ProposalID
	}
	if err := checkDigest("proposal id", proposalID); err != nil {
		return nil, err
	}
	if _, err := c.c.Proposal(proposalID).Wait(ctx); err != nil {
		return nil, err
	}
	v, err := c.Get(ctx)
	if err != nil {
		return nil, err
	}
	const other = "the proposal was about something else; read the contract again"
	return v, denied(op, "this program", []Check{
		equalCheck("contract.state", ContractAccepted, v.State, other),
		equalCheck("contract.proposal", proposalID, v.ProposalID, other),
	}, nil)
}
