package governance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// DeploymentSpec is the deployment template that the members accepted.
type DeploymentSpec struct {
	// ProposalIDs are the open proposals of a new template.
	ProposalIDs []string `json:"proposalIds"`
	// Data is the accepted template, {} before there is one.
	Data json.RawMessage `json:"data"`
}

// DeploymentSpec reads the accepted template; anybody can.
func (c *ContractClient) DeploymentSpec(ctx context.Context) (_ *DeploymentSpec, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.DeploymentSpec")
	defer end(&err)
	var v DeploymentSpec
	if err := c.post(ctx, "read deployment spec of", "/deploymentspec", &v); err != nil {
		return nil, err
	}
	return &v, nil
}

// ProposeDeploymentSpec proposes a template, any JSON object. The service
// stores and returns it in its own formatting, so compare by value.
func (c *ContractClient) ProposeDeploymentSpec(ctx context.Context, template json.RawMessage) (_ *Proposal, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.ProposeDeploymentSpec")
	defer end(&err)
	if _, err := contractPath(c.id); err != nil {
		return nil, err
	}
	object, err := exactNames(template)
	if err == nil && object == nil {
		err = errors.New("it is null")
	}
	if err != nil {
		return nil, fmt.Errorf("governance: %s: the template is no JSON object: %w", c.op("propose deployment spec of"), err)
	}
	return c.c.Propose(ctx, SetDeploymentSpec(c.id, template))
}
