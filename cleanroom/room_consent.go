package cleanroom

import (
	"context"
	"errors"
	"fmt"

	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/skr"
)

var (
	errWithheld    = errors.New("consent withheld")
	errNotAttested = errors.New("the contract's policy does not cover this room")
)

// codeAttestation is the governance service's answer to evidence that the
// contract's policy does not cover; also to any evidence while there is none.
const codeAttestation = "VerifySnpAttestationFailed"

// join attests to the first governance endpoint that answers, and wants consent.
func (r *Room) join(ctx context.Context, env GovernanceEnvironment, attester skr.Attester, opts *RoomOptions) error {
	var failures []error
	for _, endpoint := range env.Endpoints {
		client, err := governance.NewRoomClient(endpoint, env.ContractID, evidenceOf{attester}, &governance.RoomClientOptions{
			TracingProvider:    r.azure.TracingProvider,
			ServiceCertificate: []byte(env.ServiceCertificate),
			DialContext:        opts.DialContext,
			Transport:          opts.GovernanceTransport,
			Logger:             opts.Logger,
		})
		if err != nil {
			failures = append(failures, err)
			continue
		}
		status, err := client.Consent(ctx, governance.Execution)
		var answered *governance.ServiceError
		if err != nil && !errors.As(err, &answered) {
			client.Close()
			failures = append(failures, err)
			continue
		}
		r.governance, r.closeGovernance = client, client.Close
		if err != nil {
			return r.refused(ctx, client, env, err, answered)
		}
		return r.consented(env, status)
	}
	return fmt.Errorf("cleanroom: enter room: the consent to execution cannot be checked, so there is none: %w", errors.Join(failures...))
}

// consented fails closed: anything but a clear yes is a no.
func (r *Room) consented(env GovernanceEnvironment, status *governance.OptionStatus) error {
	if status != nil && status.Enabled {
		r.step(StepConsent, "every member consents to the execution of contract %s", env.ContractID)
		return nil
	}
	c := Check{ID: "consent.execution", Want: "enabled", Got: "disabled", Err: errWithheld}
	if status != nil {
		c.Got += explainReason(status)
	}
	c.Remedy = "have the member enable execution again. The key vaults do not know about consent: they release keys to any room of the accepted policy, so it is this program that has to stop, and did; to take back access for good, remove the clean room policy"
	if status != nil && status.ReasonCode == "ContractNotAccepted" {
		c.Remedy = "have every member vote for the contract, then start the room again"
	}
	return check.Denied("cleanroom: enter room of contract "+env.ContractID, "the program in the room", []Check{c}, nil)
}

func explainReason(s *governance.OptionStatus) string {
	switch {
	case s.ReasonCode != "" && s.Reason != "":
		return fmt.Sprintf(" (%s: %s)", s.ReasonCode, shorten(s.Reason, 300))
	case s.ReasonCode != "":
		return " (" + s.ReasonCode + ")"
	}
	return ""
}

// refused explains why the governance service does not take this room for one
// of the contract.
func (r *Room) refused(ctx context.Context, client *governance.RoomClient, env GovernanceEnvironment, err error, answer *governance.ServiceError) error {
	if answer.Code != codeAttestation {
		return fmt.Errorf("cleanroom: enter room: the consent to execution cannot be checked, so there is none: %w", err)
	}
	c := Check{ID: "attestation.host-data", Got: client.HostData(), Err: errNotAttested}
	c.Want, c.Remedy = wantedHostData(ctx, client, c.Got)
	return check.Denied("cleanroom: enter room of contract "+env.ContractID, "the governance service", []Check{c}, err)
}

// wantedHostData is computed from the accepted deployment template, which
// anybody can read. It only explains: the service has decided already.
func wantedHostData(ctx context.Context, client *governance.RoomClient, got string) (want, remedy string) {
	spec, err := client.DeploymentSpec(ctx)
	if err != nil {
		return "a host data of the contract's accepted clean room policy", "compare with the accepted policy; the accepted deployment template could not be read: " + shorten(err.Error(), 200)
	}
	template, err := ParseTemplate(spec.Data)
	if err != nil {
		return "a host data of the contract's accepted clean room policy",
			"have every member vote for the contract, its deployment template and its clean room policy; no accepted template was found"
	}
	if want = template.HostData(); want == got {
		return "a clean room policy that lists " + want,
			"this is the agreed room, but its clean room policy is not in force: have every member vote for it; if it is, the report's other claims or its certificates were refused"
	}
	return want, "deploy the accepted template unchanged: the policy that this room was launched with is another one than the parties agreed on"
}
