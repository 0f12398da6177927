package governance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// DeploymentInfo is what the members agreed to tell of a deployment beside its
// template, for instance where it runs. The service gives it no meaning.
type DeploymentInfo struct {
	// ProposalIDs are the open proposals of new information.
	ProposalIDs []string `json:"proposalIds"`
	// Data is the accepted information, {} before there is any.
	Data json.RawMessage `json:"data"`
}

// SetDeploymentInfo replaces the contract's deployment information.
func SetDeploymentInfo(contractID string, info json.RawMessage) Action {
	type data struct {
		Data json.RawMessage `json:"data"`
	}
	return Action{"set_deployment_info", struct {
		contractArgs
		Info data `json:"info"`
	}{contractArgs{contractID}, data{info}}}
}

// DeploymentInfo reads the accepted information; anybody can.
func (c *ContractClient) DeploymentInfo(ctx context.Context) (_ *DeploymentInfo, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.DeploymentInfo")
	defer end(&err)
	var v DeploymentInfo
	if err := c.post(ctx, "read deployment info of", "/deploymentinfo", &v); err != nil {
		return nil, err
	}
	return &v, nil
}

// ProposeDeploymentInfo proposes information, any JSON object, about an accepted
// contract. The service stores and returns it in its own formatting, so compare
// by value.
func (c *ContractClient) ProposeDeploymentInfo(ctx context.Context, info json.RawMessage) (_ *Proposal, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.ProposeDeploymentInfo")
	defer end(&err)
	if _, err := contractPath(c.id); err != nil {
		return nil, err
	}
	object, err := exactNames(info)
	if err == nil && object == nil {
		err = errors.New("it is null")
	}
	if err != nil {
		return nil, fmt.Errorf("governance: %s: the information is no JSON object: %w", c.op("propose deployment info of"), err)
	}
	return c.c.Propose(ctx, SetDeploymentInfo(c.id, info))
}

// DeploymentInfo reads the information that the members accepted; anybody can.
func (r *RoomClient) DeploymentInfo(ctx context.Context) (_ *DeploymentInfo, err error) {
	ctx, end := r.wire.tracer.Start(ctx, "Room.DeploymentInfo")
	defer end(&err)
	var v DeploymentInfo
	if err := r.wire.post(ctx, "read deployment info of "+r.contractID, r.path("/deploymentinfo"), &v); err != nil {
		return nil, err
	}
	return &v, nil
}
