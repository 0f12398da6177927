package governance

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Action is one thing that an accepted proposal does. The constructors of this
// package cover the scenario of a clean room; any other action of CCF or CGS can
// be written out.
type Action struct {
	// Name is the action's name in the constitution.
	Name string `json:"name"`
	// Args is anything that json.Marshal takes when proposing; an action that
	// was read has a json.RawMessage, the bytes as they were signed.
	Args any `json:"args"`
}

// DecodeArgs reads the arguments of an action into v.
func (a Action) DecodeArgs(v any) error {
	raw, ok := a.Args.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = json.Marshal(a.Args); err != nil {
			return fmt.Errorf("governance: action %s: %w", a.Name, err)
		}
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("governance: action %s: arguments: %w", a.Name, err)
	}
	return nil
}

// UnmarshalJSON keeps the arguments as bytes.
func (a *Action) UnmarshalJSON(b []byte) error {
	doc, err := exactNames(b)
	if err != nil {
		return err
	}
	*a = Action{Args: doc["args"]}
	if json.Unmarshal(doc["name"], &a.Name) != nil {
		return errors.New("an action has no name")
	}
	return nil
}

// parseActions reads the text of a proposal as the constitution reads it, and
// refuses one that can be read in two ways.
func parseActions(op string, b []byte) ([]Action, error) {
	if two, err := ambiguous(b); err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	} else if two != "" {
		return nil, denied(op, "this program", []Check{{
			ID: "proposal.names", Want: "one reading of what was signed", Got: "an object with the names " + two,
			Remedy: "reject the proposal: the service uses one of the two, and whoever looks may be shown the other",
			Err:    errAmbiguous,
		}}, nil)
	}
	doc, err := exactNames(b)
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	var actions []Action
	if err := json.Unmarshal(doc["actions"], &actions); err != nil {
		return nil, fmt.Errorf("governance: %s: actions: %w", op, err)
	}
	return actions, nil
}

var errAmbiguous = errors.New("the signed text is ambiguous")

type contractArgs struct {
	ContractID string `json:"contractId"`
}

type memberArgs struct {
	Cert       string     `json:"cert"`
	MemberData MemberData `json:"member_data"`
}

// SetMember lets a member in. It is Accepted then and has to activate itself.
// The same for a member that is there replaces its data and takes its activity
// away until it activates itself again.
func SetMember(certPEM []byte, data MemberData) Action {
	return Action{"set_member", memberArgs{string(certPEM), data}}
}

// SetMemberData replaces all data of a member.
func SetMemberData(memberID string, data MemberData) Action {
	return Action{"set_member_data", struct {
		MemberID   string     `json:"member_id"`
		MemberData MemberData `json:"member_data"`
	}{memberID, data}}
}

// RemoveMember removes a member. The service needs the certificate beside the
// id: its constitution asks for the roles of whoever has the certificate.
func RemoveMember(memberID string, certPEM []byte) Action {
	return Action{"remove_member", struct {
		MemberID string `json:"member_id"`
		Cert     string `json:"cert"`
	}{memberID, string(certPEM)}}
}

// SetRecoveryThreshold sets how many recovery members a recovery needs.
func SetRecoveryThreshold(n int) Action {
	return Action{"set_recovery_threshold", struct {
		RecoveryThreshold int `json:"recovery_threshold"`
	}{n}}
}

// OpenService opens a new service, named by its certificate, to applications.
func OpenService(serviceCertPEM []byte) Action {
	return Action{"transition_service_to_open", struct {
		Next string `json:"next_service_identity"`
	}{string(serviceCertPEM)}}
}

// EnableOIDCIssuer lets the service issue tokens for clean rooms. The kid
// becomes part of the key's id; upstream uses 32 hex digits.
func EnableOIDCIssuer(kid string) Action {
	return Action{"enable_oidc_issuer", struct {
		KID string `json:"kid"`
	}{kid}}
}

// SetContract accepts the contract's content, an object with at least data.
// [ContractClient.Propose] sends what the service answered for the draft.
func SetContract(contractID string, contract any) Action {
	return Action{"set_contract", struct {
		contractArgs
		Contract any `json:"contract"`
	}{contractArgs{contractID}, contract}}
}

// SetDeploymentSpec replaces the contract's deployment template.
func SetDeploymentSpec(contractID string, template json.RawMessage) Action {
	type spec struct {
		Data json.RawMessage `json:"data"`
	}
	return Action{"set_deployment_spec", struct {
		contractArgs
		Spec spec `json:"spec"`
	}{contractArgs{contractID}, spec{template}}}
}

// SetCleanRoomPolicy adds to or removes from the claims that the evidence of a
// clean room of the contract must have.
func SetCleanRoomPolicy(contractID string, update PolicyUpdate) Action {
	return Action{"set_clean_room_policy", struct {
		contractArgs
		PolicyUpdate
	}{contractArgs{contractID}, update}}
}

// EnableLogging allows the export of the application's log.
func EnableLogging(contractID string) Action {
	return Action{"set_contract_runtime_options_enable_logging", contractArgs{contractID}}
}

// DisableLogging forbids it; the service accepts this without a vote.
func DisableLogging(contractID string) Action {
	return Action{"set_contract_runtime_options_disable_logging", contractArgs{contractID}}
}

// EnableTelemetry allows the export of the infrastructure's telemetry.
func EnableTelemetry(contractID string) Action {
	return Action{"set_contract_runtime_options_enable_telemetry", contractArgs{contractID}}
}

// DisableTelemetry forbids it; the service accepts this without a vote.
func DisableTelemetry(contractID string) Action {
	return Action{"set_contract_runtime_options_disable_telemetry", contractArgs{contractID}}
}
