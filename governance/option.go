package governance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// RuntimeOption is a consent that the members give or take away.
type RuntimeOption string

const (
	// Execution of the room: on for an accepted contract until a member
	// disables it.
	Execution RuntimeOption = "execution"
	// Logging is the export of the application's log, off until accepted.
	Logging RuntimeOption = "logging"
	// Telemetry is the export of the infrastructure's telemetry, off until
	// accepted.
	Telemetry RuntimeOption = "telemetry"
)

// OptionStatus is whether an option is on, and why not.
type OptionStatus struct {
	ContractID string
	// DocumentID is that of a user document, empty for an option of the
	// contract.
	DocumentID string
	Option     RuntimeOption
	Enabled    bool
	// ReasonCode is ContractNotAccepted or ContractDisabled, for a document
	// UserDocumentNotAccepted or UserDocumentRuntimeOptionDisabled, or empty;
	// Reason is text.
	ReasonCode, Reason string
	// ProposalIDs are the open proposals to enable the option.
	ProposalIDs []string
}

type optionDoc struct {
	Status string `json:"status"`
	Reason struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"reason"`
	ProposalIDs []string `json:"proposalIds"`
}

// status fails closed: what is not "enabled" is disabled.
func (d optionDoc) status(contractID string, o RuntimeOption) *OptionStatus {
	return &OptionStatus{
		ContractID: contractID, Option: o, Enabled: d.Status == "enabled",
		ReasonCode: d.Reason.Code, Reason: d.Reason.Message, ProposalIDs: d.ProposalIDs,
	}
}

func (d optionDoc) documentStatus(contractID, documentID string, o RuntimeOption) *OptionStatus {
	s := d.status(contractID, o)
	s.DocumentID = documentID
	return s
}

var errDisabled = errors.New("the option is disabled")

// Err is nil if the option is enabled, else a [*DeniedError] that says why and
// who can change it.
func (s *OptionStatus) Err() error {
	if s.Enabled {
		return nil
	}
	c := Check{ID: "consent." + string(s.Option), Want: "enabled", Got: "disabled", Err: errDisabled}
	if s.Reason != "" {
		c.Got += ": " + cut(s.Reason, maxErrorText)
	}
	switch {
	case s.ReasonCode == "ContractNotAccepted":
		c.Remedy = "all members must accept the contract first"
	case s.ReasonCode == "UserDocumentNotAccepted":
		c.Remedy = "all its approvers must accept the document first"
	case s.DocumentID != "":
		c.Remedy = "each approver that disabled it must enable it again"
	case s.Option == Execution:
		c.Remedy = "each member that disabled it must enable it again"
	case len(s.ProposalIDs) > 0:
		c.Remedy = "the members must accept the open proposal " + s.ProposalIDs[0]
	default:
		c.Remedy = "a member must propose to enable it, and all must accept"
	}
	d := &DeniedError{
		Op:     fmt.Sprintf("governance: consent to %s of contract %s", s.Option, s.ContractID),
		By:     "the members",
		Checks: []Check{c},
	}
	if s.DocumentID != "" {
		d.Op = fmt.Sprintf("governance: consent to %s of user document %s of contract %s", s.Option, s.DocumentID, s.ContractID)
		d.By = "its approvers"
	}
	return d
}

func optionPath(contractID string, o RuntimeOption, verb string) (string, error) {
	path, err := contractPath(contractID)
	if err != nil {
		return "", err
	}
	if err := checkID("runtime option", string(o)); err != nil {
		return "", err
	}
	return path + "/runtimeoptions/" + string(o) + "/" + verb, nil
}

// Option reads the status of an option.
func (c *ContractClient) Option(ctx context.Context, o RuntimeOption) (_ *OptionStatus, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.Option")
	defer end(&err)
	path, err := optionPath(c.id, o, "status")
	if err != nil {
		return nil, err
	}
	var doc optionDoc
	err = c.c.wire.post(ctx, c.op("read consent to "+string(o)+" of"), path, &doc)
	var se *ServiceError
	if errors.As(err, &se) && se.Code == "InternalError" {
		// Whoever is not recognised counts as a clean room, whose body is read.
		se.Remedy = remedies["AttestationMissing"]
	}
	if err != nil {
		return nil, err
	}
	return doc.status(c.id, o), nil
}

// ProposeLogging proposes [EnableLogging].
func (c *ContractClient) ProposeLogging(ctx context.Context) (_ *Proposal, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.ProposeLogging")
	defer end(&err)
	return c.c.Propose(ctx, EnableLogging(c.id))
}

// ProposeTelemetry proposes [EnableTelemetry].
func (c *ContractClient) ProposeTelemetry(ctx context.Context) (_ *Proposal, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.ProposeTelemetry")
	defer end(&err)
	return c.c.Propose(ctx, EnableTelemetry(c.id))
}

// EnableExecution takes back the member's own DisableExecution; that of others
// stays.
func (c *ContractClient) EnableExecution(ctx context.Context) (err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.EnableExecution")
	defer end(&err)
	return c.setExecution(ctx, "enable")
}

// DisableExecution withdraws the member's consent at once and alone. Rooms ask
// when they start; the service goes on releasing secrets to a running one, so
// remove its host data from the policy as well.
func (c *ContractClient) DisableExecution(ctx context.Context) (err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.DisableExecution")
	defer end(&err)
	return c.setExecution(ctx, "disable")
}

func (c *ContractClient) setExecution(ctx context.Context, verb string) error {
	path, err := optionPath(c.id, Execution, verb)
	if err != nil {
		return err
	}
	_, _, err = c.c.wire.write(ctx, call{op: c.op(verb + " execution of"), method: http.MethodPost, path: path})
	return err
}
