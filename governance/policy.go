package governance

import "context"

// Names of the claims that the usual policy has.
const (
	ClaimHostData    = "x-ms-sevsnpvm-hostdata"
	ClaimDebuggable  = "x-ms-sevsnpvm-is-debuggable"
	ClaimMeasurement = "x-ms-sevsnpvm-launchmeasurement"
	ClaimVMPL        = "x-ms-sevsnpvm-vmpl"
)

// Types of a policy update.
const (
	PolicyAdd    = "add"
	PolicyRemove = "remove"
)

// PolicyUpdate changes the claims that the evidence of a contract's clean rooms
// must have. A value may be scalar or a list. Adding a boolean replaces the old
// one; adding any other value lets both match; removing a value that is not
// there makes the last vote fail.
type PolicyUpdate struct {
	// Type is [PolicyAdd] or [PolicyRemove].
	Type string `json:"type"`
	// PolicyType is empty for confidential container groups ("snp-caci").
	PolicyType string `json:"policyType,omitempty"`
	// Claims by name.
	Claims map[string]any `json:"claims"`
}

// HostDataPolicy is the update that the command line of upstream proposes: not
// debuggable, and this host data, the lower case hex SHA-256 of the security
// policy. Add [ClaimMeasurement] and [ClaimVMPL] to also pin the machine below.
func HostDataPolicy(hostData string) PolicyUpdate {
	return PolicyUpdate{Type: PolicyAdd, Claims: map[string]any{ClaimDebuggable: false, ClaimHostData: hostData}}
}

// CleanRoomPolicy is the accepted policy of a contract.
type CleanRoomPolicy struct {
	// ProposalIDs are the open proposals that would change it.
	ProposalIDs []string `json:"proposalIds"`
	// Claims has the values of which one must match, by name. It is empty
	// before the first acceptance; then no evidence matches.
	Claims map[string][]any `json:"policy"`
}

// HostData lists the host data values that match.
func (p *CleanRoomPolicy) HostData() []string {
	var list []string
	for _, v := range p.Claims[ClaimHostData] {
		if s, ok := v.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

// CleanRoomPolicy reads the accepted policy.
func (c *ContractClient) CleanRoomPolicy(ctx context.Context) (_ *CleanRoomPolicy, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.CleanRoomPolicy")
	defer end(&err)
	var v CleanRoomPolicy
	if err := c.post(ctx, "read clean room policy of", "/cleanroompolicy", &v); err != nil {
		return nil, err
	}
	return &v, nil
}

// ProposeCleanRoomPolicy proposes a change of the policy. The contract must be
// accepted.
func (c *ContractClient) ProposeCleanRoomPolicy(ctx context.Context, update PolicyUpdate) (_ *Proposal, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.ProposeCleanRoomPolicy")
	defer end(&err)
	if _, err := contractPath(c.id); err != nil {
		return nil, err
	}
	if err := checkUpdate(c.op("propose clean room policy of"), update); err != nil {
		return nil, err
	}
	return c.c.Propose(ctx, SetCleanRoomPolicy(c.id, update))
}
