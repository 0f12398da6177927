package governance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Review is what an open proposal would change, compared with what is accepted
// at the moment of the review. String shows all of it.
type Review struct {
	// Proposal is the state of the proposal, which is Open.
	Proposal Proposal
	// Proposer is the name of the member who made it.
	Proposer string
	// Changes has one entry for each action, in the order in which the service
	// would carry them out. Each is compared with what its predecessors leave.
	Changes []Change
	// Warnings are the traps that were found; an empty list is no approval.
	Warnings []Warning
}

// Change is what one action would do.
type Change struct {
	// Action is the name in the constitution.
	Action string
	// Subject is what is changed, for instance "contract collab1" or "member
	// publisher".
	Subject string
	// Known is false for an action that this package cannot compare. Args is
	// all there is to see of it then.
	Known bool
	// Differences are ordered as the subject is; values that stay are among
	// them where they matter, which is in a clean room policy.
	Differences []Difference
	// TextDiff is a unified diff, for what is text: contracts, documents and the
	// constitution. What is not a string is shown as indented JSON.
	TextDiff string
	// DraftDiff is a unified diff from the draft of [ReviewOptions] to what is
	// proposed, empty if they are the same.
	DraftDiff string
	// Args are the arguments as they were signed.
	Args json.RawMessage
}

// Difference is one value before and after. Both are JSON; an empty text means
// that there is no value.
type Difference struct {
	// Path names the value: the claim of a policy, the option, or the JSON path
	// below the template or the member data.
	Path          string
	Before, After string
}

// Stays reports whether the value is the same before and after.
func (d Difference) Stays() bool { return d.Before == d.After }

// Warning is something that a person should know before voting yes.
type Warning struct {
	// ID names the kind, as a [Check] does: "policy.launch-measurement".
	ID string
	// Action is the index in Changes, or -1 if it is about the whole proposal.
	Action int
	Text   string
	// Remedy says what to do.
	Remedy string
}

// ReviewOptions may be nil.
type ReviewOptions struct {
	// Drafts are contracts as the caller read them before they were proposed. A
	// draft can be changed until it is proposed and also afterwards, and the
	// service shows no draft while its proposal is open; so only whoever kept
	// what was agreed on can notice.
	Drafts []*Contract
}

// Review compares the actions of an open proposal, as they were signed, with
// what is accepted now (governance api-version 2024-07-01, CGS release 8.0.0).
// It reads and never votes. A proposal that is decided already is a
// [*DeniedError], and so is one whose text can be read in two ways.
//
// What is shown can change until the vote, because other proposals may be
// accepted in between; review again when a proposal was decided.
func (p *ProposalClient) Review(ctx context.Context, opts *ReviewOptions) (_ *Review, err error) {
	ctx, end := p.c.wire.tracer.Start(ctx, "Proposal.Review")
	defer end(&err)
	op := "review proposal " + short(p.id)
	state, err := p.Show(ctx)
	if err != nil {
		return nil, err
	}
	if state.State != ProposalOpen {
		return nil, denied(op, "this program", []Check{equalCheck("proposal.state", ProposalOpen, state.State,
			"it is decided; read what is accepted now instead")}, nil)
	}
	actions, err := p.Actions(ctx)
	if err != nil {
		return nil, err
	}
	r := &reviewer{c: p.c, op: op, review: &Review{Proposal: *state}}
	if opts != nil {
		r.opts = *opts
	}
	if err := r.readMembers(ctx); err != nil {
		return nil, err
	}
	r.review.Proposer = r.memberName(state.ProposerID)
	r.index = wholeProposal
	r.warnActions(actions)
	for i, a := range actions {
		if err := r.action(ctx, i, a); err != nil {
			return nil, err
		}
	}
	r.index = wholeProposal
	r.warnNoVoters(actions)
	return r.review, nil
}

// wholeProposal is the Action of a warning about no action in particular.
const wholeProposal = -1

// reviewer keeps what earlier actions of the proposal leave to the later ones.
type reviewer struct {
	c      *Client
	op     string
	opts   ReviewOptions
	review *Review
	// index is the action at hand, change what is found about it.
	index  int
	change *Change

	members  []reviewedMember
	policies map[string]policyClaims
	issuers  map[string]trust
	users    map[string]any
	// invitations are their claims.
	invitations map[string]policyClaims
	// templates are the deployment templates by contract.
	templates map[string]any
	// values are single ones that were read, by subject and path.
	values map[string]string
}

// arguments of an action, with numbers as they were signed.
type arguments map[string]any

func (a arguments) text(name string) string {
	s, _ := a[name].(string)
	return s
}

func (a arguments) object(name string) map[string]any {
	m, _ := a[name].(map[string]any)
	return m
}

// decodeJSON keeps the digits of numbers.
func decodeJSON(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// action reviews one action.
func (r *reviewer) action(ctx context.Context, i int, a Action) error {
	raw, _ := a.Args.(json.RawMessage)
	r.index, r.change = i, &Change{Action: a.Name, Subject: "the service", Known: true, Args: raw}
	decoded, err := decodeJSON(raw)
	args, isObject := decoded.(map[string]any)
	handle, known := reviewed[a.Name]
	switch {
	case !known:
		r.unknown("this program does not know what " + a.Name + " does")
	case err != nil || (!isObject && len(raw) > 0 && string(raw) != "null"):
		r.unknown("the arguments of " + a.Name + " are no object")
	default:
		err := handle(r, ctx, args)
		var unusable *idError
		if errors.As(err, &unusable) {
			// The proposer chose it, and must not get out of being looked at.
			r.unknown("of " + a.Name + ", the " + unusable.text)
			break
		}
		if err != nil {
			return fmt.Errorf("governance: %s: action %d, %s: %w", r.op, i+1, a.Name, err)
		}
	}
	r.review.Changes = append(r.review.Changes, *r.change)
	return nil
}

// unknown leaves the arguments as all there is to see.
func (r *reviewer) unknown(why string) {
	r.change.Known = false
	r.warn("action.raw", "%s; its arguments are shown as they were signed", why)
}

func (r *reviewer) differ(path, before, after string) {
	r.change.Differences = append(r.change.Differences, Difference{path, before, after})
}

// value is what was read under a key, or what an earlier action left there.
func (r *reviewer) value(key string, read func() (string, error)) (string, error) {
	if v, ok := r.values[key]; ok {
		return v, nil
	}
	return read()
}

func (r *reviewer) leave(key, value string) {
	if r.values == nil {
		r.values = map[string]string{}
	}
	r.values[key] = value
}

// reviewed has the actions that can be compared.
var reviewed map[string]func(*reviewer, context.Context, arguments) error

func init() {
	// Not a literal: the handlers refer to the table's users.
	reviewed = map[string]func(*reviewer, context.Context, arguments) error{
		"set_contract":          (*reviewer).contract,
		"set_member_document":   (*reviewer).document,
		"set_deployment_spec":   deploymentReview("deploymentspec", "spec"),
		"set_deployment_info":   deploymentReview("deploymentinfo", "info"),
		"set_clean_room_policy": (*reviewer).policy,

		"set_contract_runtime_options_enable_logging":    optionReview(Logging, "enabled"),
		"set_contract_runtime_options_disable_logging":   optionReview(Logging, "disabled"),
		"set_contract_runtime_options_enable_telemetry":  optionReview(Telemetry, "enabled"),
		"set_contract_runtime_options_disable_telemetry": optionReview(Telemetry, "disabled"),
		"set_cgs_runtime_options":                        (*reviewer).serviceOption,

		"set_member":             (*reviewer).setMember,
		"set_member_data":        (*reviewer).setMemberData,
		"remove_member":          (*reviewer).removeMember,
		"set_recovery_threshold": (*reviewer).recoveryThreshold,

		"set_jwt_issuer":              (*reviewer).tokenIssuer,
		"remove_jwt_issuer":           (*reviewer).tokenIssuer,
		"set_jwt_public_signing_keys": (*reviewer).tokenIssuer,
		"set_ca_cert_bundle":          (*reviewer).certificateBundle,
		"remove_ca_cert_bundle":       (*reviewer).certificateBundle,

		"set_user_identity":                    (*reviewer).userIdentity,
		"remove_user_identity":                 (*reviewer).userIdentity,
		"set_user_invitation_by_jwt_claims":    (*reviewer).invitation,
		"remove_user_invitation_by_jwt_claims": (*reviewer).invitation,

		"set_constitution":           (*reviewer).constitution,
		"set_js_app":                 (*reviewer).application,
		"transition_service_to_open": (*reviewer).openService,
		"enable_ca":                  (*reviewer).enableAuthority,
		"enable_oidc_issuer":         (*reviewer).enableIssuer,
		"set_oidc_issuer_url":        (*reviewer).issuerURL,
	}
}
