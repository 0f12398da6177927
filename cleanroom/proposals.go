package cleanroom

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cleanroom-go/sdk/governance"
)

// Proposals are the open proposals about the deployment of a contract, as
// their proposers signed them.
type Proposals struct {
	// Template and Policy are what would be deployed and which rooms would be
	// trusted; nil and zero if nothing of the kind is proposed.
	Template json.RawMessage
	Policy   governance.PolicyUpdate
	// TemplateID, PolicyID, LoggingID and TelemetryID are the ids of the
	// proposals; "" means that there is none.
	TemplateID, PolicyID, LoggingID, TelemetryID string

	// AcceptedTemplate and AcceptedPolicy are what is in force meanwhile; nil
	// and without claims before the first acceptance. Logging and Telemetry
	// say whether these exports are enabled.
	AcceptedTemplate   json.RawMessage
	AcceptedPolicy     governance.CleanRoomPolicy
	Logging, Telemetry bool
}

// Standing is what the deployment would be if every open proposal were
// accepted: the proposed template and policy, and where nothing is proposed the
// accepted ones. Both are nil if there is neither.
func (p *Proposals) Standing() (json.RawMessage, *governance.PolicyUpdate) {
	template, policy := p.Template, &p.Policy
	if p.TemplateID == "" {
		template = p.AcceptedTemplate
	}
	if p.PolicyID == "" {
		policy = nil
		if len(p.AcceptedPolicy.Claims) > 0 {
			policy = &governance.PolicyUpdate{Type: governance.PolicyAdd, Claims: map[string]any{}}
			for name, values := range p.AcceptedPolicy.Claims {
				policy.Claims[name] = values
			}
		}
	}
	return template, policy
}

// ReadProposals reads the open proposals about the deployment of a contract
// from the governance service. It reads their actions, not what the service
// says about them elsewhere, because the actions are what a vote is on. A
// proposal is refused if it does anything else besides, and so are two
// proposals of a kind: withdraw one of them.
//
// Give Template and Policy to [VerifyProposals], then vote with
// [governance.ProposalClient.Vote].
func ReadProposals(ctx context.Context, ledger *governance.Client, contractID string) (*Proposals, error) {
	p, err := readProposals(ctx, ledger, contractID)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: read proposals of contract %s: %w", shorten(contractID, 80), err)
	}
	return p, nil
}

func readProposals(ctx context.Context, ledger *governance.Client, contractID string) (*Proposals, error) {
	contract := ledger.Contract(contractID)
	spec, err := contract.DeploymentSpec(ctx)
	if err != nil {
		return nil, err
	}
	policy, err := contract.CleanRoomPolicy(ctx)
	if err != nil {
		return nil, err
	}
	logging, err := contract.Option(ctx, governance.Logging)
	if err != nil {
		return nil, err
	}
	telemetry, err := contract.Option(ctx, governance.Telemetry)
	if err != nil {
		return nil, err
	}
	p := &Proposals{AcceptedPolicy: *policy, Logging: logging.Enabled, Telemetry: telemetry.Enabled}
	if string(spec.Data) != "{}" { // the service's word for none
		p.AcceptedTemplate = spec.Data
	}
	for _, kind := range []struct {
		ids  []string
		id   *string
		want string
		keys []string // a question mark stands after one that may be missing
	}{
		{spec.ProposalIDs, &p.TemplateID, "set_deployment_spec", []string{"contractId", "spec"}},
		{policy.ProposalIDs, &p.PolicyID, "set_clean_room_policy", []string{"claims", "contractId", "policyType?", "type"}},
		{logging.ProposalIDs, &p.LoggingID, "set_contract_runtime_options_enable_logging", []string{"contractId"}},
		{telemetry.ProposalIDs, &p.TelemetryID, "set_contract_runtime_options_enable_telemetry", []string{"contractId"}},
	} {
		if len(kind.ids) == 0 {
			continue
		}
		if len(kind.ids) > 1 {
			return nil, fmt.Errorf("%d proposals of %s are open, %s; have all but one withdrawn", len(kind.ids), kind.want, strings.Join(kind.ids, ", "))
		}
		*kind.id = kind.ids[0]
		actions, err := ledger.Proposal(kind.ids[0]).Actions(ctx)
		if err != nil {
			return nil, err
		}
		args, err := onlyAction(actions, kind.want, contractID, kind.keys)
		if err != nil {
			return nil, fmt.Errorf("proposal %s: %w; vote against it", kind.ids[0], err)
		}
		if err := p.take(args); err != nil {
			return nil, fmt.Errorf("proposal %s: %w; vote against it", kind.ids[0], err)
		}
	}
	return p, nil
}

// take keeps the arguments that are to be verified.
func (p *Proposals) take(args map[string]json.RawMessage) error {
	if spec, ok := args["spec"]; ok {
		var content map[string]json.RawMessage
		if err := json.Unmarshal(spec, &content); err != nil {
			return fmt.Errorf("spec: %w", err)
		}
		if err := exactly(content, []string{"data"}); err != nil {
			return fmt.Errorf("spec: %w", err)
		}
		p.Template = content["data"]
	}
	if claims, ok := args["claims"]; ok {
		if err := json.Unmarshal(claims, &p.Policy.Claims); err != nil {
			return fmt.Errorf("claims: %w", err)
		}
		if err := json.Unmarshal(args["type"], &p.Policy.Type); err != nil {
			return fmt.Errorf("type: %w", err)
		}
		if kind, ok := args["policyType"]; ok {
			if err := json.Unmarshal(kind, &p.Policy.PolicyType); err != nil {
				return fmt.Errorf("policyType: %w", err)
			}
		}
	}
	return nil
}

// onlyAction gives the arguments of a proposal that does one thing to this
// contract. Their names are compared to the letter, as the service compares
// them, and may not repeat.
func onlyAction(actions []governance.Action, name, contractID string, keys []string) (map[string]json.RawMessage, error) {
	if len(actions) != 1 || actions[0].Name != name {
		var names []string
		for _, a := range actions {
			names = append(names, shorten(a.Name, 80))
		}
		return nil, fmt.Errorf("it does %s, must do %s alone", strings.Join(names, ", "), name)
	}
	raw, ok := actions[0].Args.(json.RawMessage)
	if !ok {
		return nil, fmt.Errorf("%s has no arguments", name)
	}
	if _, err := parseJSONTree(raw); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var args map[string]json.RawMessage
	if err := json.Unmarshal(raw, &args); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := exactly(args, keys); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var id string
	if err := json.Unmarshal(args["contractId"], &id); err != nil || id != contractID {
		return nil, fmt.Errorf("%s is about the contract %s", name, shorten(string(args["contractId"]), 80))
	}
	return args, nil
}

func exactly(m map[string]json.RawMessage, keys []string) error {
	var want []string
	for _, key := range keys {
		name, optional := strings.CutSuffix(key, "?")
		if _, there := m[name]; there || !optional {
			want = append(want, name)
		}
	}
	if got := slices.Sorted(maps.Keys(m)); !slices.Equal(got, want) {
		return fmt.Errorf("the arguments are %s, must be %s", shorten(strings.Join(got, ", "), 200), strings.Join(want, ", "))
	}
	return nil
}
