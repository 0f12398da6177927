package governance

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// contract reviews set_contract. What is accepted cannot be replaced, so the
// text is compared with nothing, unless the proposal tries it all the same.
func (r *reviewer) contract(ctx context.Context, args arguments) error {
	id := args.text("contractId")
	r.change.Subject = "contract " + id
	proposed := args.object("contract")
	text := readableText(proposed["data"])
	shown, err := r.c.Contract(id).Get(ctx)
	switch {
	case hasCode(err, "ContractNotFound"):
		shown = &Contract{ID: id}
	case err != nil:
		return err
	}
	base := ""
	switch {
	case shown.State == ContractAccepted:
		base = shown.readable()
		r.warn("contract.accepted", "contract %s is accepted already", id)
	case shown.State == ContractProposed && shown.ProposalID != r.review.Proposal.ID:
		r.warn("contract.other", "the service shows proposal %s as that of contract %s", short(shown.ProposalID), id)
	case shown.State == ContractProposed && shown.readable() != text:
		r.warn("contract.shown", "the service shows other data of contract %s than was signed", id)
	}
	r.change.TextDiff = unified(base, text)
	version, _ := proposed["version"].(string)
	if version == "" {
		r.warn("contract.unversioned", "the proposal names no version of the draft of contract %s", id)
	}
	r.compareDraft(id, version, text)
	return nil
}

// compareDraft notices that the draft was changed between the caller's reading
// and the proposal, or after the proposal was made.
func (r *reviewer) compareDraft(id, version, text string) {
	for _, d := range r.opts.Drafts {
		if d == nil || d.ID != id {
			continue
		}
		if d.Version == version && d.readable() == text {
			return
		}
		r.change.DraftDiff = unified(d.readable(), text)
		what := "other text"
		if r.change.DraftDiff == "" {
			what = "the same text"
		}
		r.warn("contract.draft-changed", "the draft of contract %s was read as version %s; what is proposed is version %s with %s", id, or(d.Version, "none"), or(version, "none"), what)
		return
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// readable is the contract's text as a review compares it.
func (c *Contract) readable() string {
	var doc struct {
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal(c.raw, &doc) != nil || len(doc.Data) == 0 {
		return c.Data // made by the caller
	}
	data, err := decodeJSON(doc.Data)
	if err != nil {
		return c.Data
	}
	return readableText(data)
}

// readableText is a string as it is, and any other data on lines of its own.
func readableText(data any) string {
	if text, ok := data.(string); ok {
		return text
	}
	if data == nil {
		return ""
	}
	return indented([]byte(jsonText(data)))
}

// deploymentReview reviews the replacement of a deployment's template or of
// what is told about it.
func deploymentReview(resource, argument string) func(*reviewer, context.Context, arguments) error {
	return func(r *reviewer, ctx context.Context, args arguments) error {
		id := args.text("contractId")
		r.change.Subject = map[string]string{"spec": "deployment template of contract ", "info": "deployment info of contract "}[argument] + id
		before, err := r.template(ctx, id, resource)
		if err != nil {
			return err
		}
		after, ok := args.object(argument)["data"]
		if !ok {
			after = nothing{}
		}
		r.compareJSON("$", before, after)
		r.leaveTemplate(id, resource, after)
		if argument != "spec" {
			return nil
		}
		was, will := templateHostData(before), templateHostData(after)
		if len(was) > 0 || len(will) > 0 {
			r.differ(ClaimHostData, jsonList(was), jsonList(will))
		}
		policy, err := r.policyOf(ctx, id)
		if err != nil {
			return err
		}
		r.warnTemplate(id, policy, will)
		return nil
	}
}

// template is the accepted one, or that of an earlier action.
func (r *reviewer) template(ctx context.Context, id, resource string) (any, error) {
	if v, ok := r.templates[resource+" "+id]; ok {
		return v, nil
	}
	var doc struct {
		Data json.RawMessage `json:"data"`
	}
	if err := r.c.Contract(id).post(ctx, "read "+resource+" of", "/"+resource, &doc); err != nil {
		return nil, err
	}
	if len(doc.Data) == 0 {
		return nothing{}, nil
	}
	return decodeJSON(doc.Data)
}

func (r *reviewer) leaveTemplate(id, resource string, v any) {
	if r.templates == nil {
		r.templates = map[string]any{}
	}
	r.templates[resource+" "+id] = v
}

// warnTemplate compares the host data of the template's container policies with
// those that the clean room policy lets in.
func (r *reviewer) warnTemplate(id string, policy policyClaims, template claimValues) {
	allowed := policy[ClaimHostData]
	if len(allowed) == 0 {
		return
	}
	for _, hostData := range template {
		if !allowed.has(hostData) {
			r.warn("policy.template", "the template of contract %s runs a container policy with host data %s, which the clean room policy does not let in", id, hostData)
		}
	}
}

// optionReview reviews logging and telemetry.
func optionReview(o RuntimeOption, after string) func(*reviewer, context.Context, arguments) error {
	return func(r *reviewer, ctx context.Context, args arguments) error {
		id := args.text("contractId")
		r.change.Subject = "contract " + id
		key := fmt.Sprintf("%s of %s", o, id)
		before, err := r.value(key, func() (string, error) {
			s, err := r.c.Contract(id).Option(ctx, o)
			if err != nil {
				return "", err
			}
			return map[bool]string{true: "enabled", false: "disabled"}[s.Enabled], nil
		})
		if err != nil {
			return err
		}
		r.differ(string(o), jsonText(before), jsonText(after))
		r.leave(key, after)
		return nil
	}
}

// serviceOption reviews an option of the whole service.
func (r *reviewer) serviceOption(ctx context.Context, args arguments) error {
	option, after := args.text("option"), args.text("status")
	if err := checkID("runtime option", option); err != nil {
		return err
	}
	before, err := r.value(option, func() (string, error) {
		var doc optionDoc
		err := r.c.wire.post(ctx, "read option "+option, "/app/runtimeoptions/"+option+"/status", &doc)
		return doc.Status, err
	})
	if err != nil {
		return err
	}
	r.differ(option, jsonText(before), jsonText(after))
	r.leave(option, after)
	if after == "enabled" && strings.HasPrefix(option, "autoapprove-") {
		r.warn("service.auto-approve", "%s lets an operator pass proposals of this kind alone", option)
	}
	return nil
}
