package cleanroom

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/check"
)

// document has the issues of the document itself, and what of it nobody uses.
func (p *planner) document() {
	p.generation()
	issues, _ := p.spec.Validate(nil) // the error repeats the issues; limits are a proof of their own
	for _, i := range issues {
		p.add(i.Severity, i.ID, i.Path, i.Message, i.Remedy)
	}
	if len(p.spec.Applications) == 0 {
		p.fail("ApplicationMissing", "applications", "there is nothing that would run", "merge the document of the party that brings the application")
	}
	used := map[string]bool{}
	for i := range p.spec.Applications {
		a := &p.spec.Applications[i]
		mounts, _ := p.spec.mountsOf(a) // those that cannot be read are issues above
		for _, m := range mounts {
			used[m.Name] = true
		}
	}
	p.accessPoints(func(path string, a *AccessPoint) {
		if !used[a.Name] && a.Name != ApplicationTelemetry && a.Name != InfrastructureTelemetry {
			p.warn("AccessPointUnused", path, "no application mounts it", "mount it in the application that needs it, or remove it")
		}
	})
}

// contract: the parties' documents, the state and the consents.
func (p *planner) contract() {
	for i := range p.in.Parties {
		party := &p.in.Parties[i]
		subject := "party " + shown(party.Name)
		if party.Document == nil {
			p.unproven("PartyDocumentUnknown", subject, "whether the contract has what the party shared", "give the document that the party shared")
			continue
		}
		p.includes(subject, party.Document)
	}
	if len(p.in.Parties) == 0 {
		p.unproven("PartiesUnknown", "contract", "whether the contract has what its parties shared", "name the parties and give their documents")
	}
	c := p.in.Contract
	if c == nil {
		p.unproven("ContractUnknown", "contract", "whether the members accepted the contract", "read the contract from the governance service")
	} else {
		if c.State != governance.ContractAccepted {
			p.fail("ContractNotAccepted", "contract "+shown(c.ID), "its state is "+shown(c.State), "have every member vote for it")
		}
		p.contractData(c)
	}
	p.consents()
}

func (p *planner) includes(subject string, document *Specification) {
	err := p.spec.Includes(document)
	var conflict *MergeConflictError
	switch {
	case errors.As(err, &conflict):
		for _, c := range conflict.Conflicts {
			p.fail("DocumentConflict", subject+", "+c.Path, fmt.Sprintf("the contract says %s, the party shared %s", shown(c.Merged), shown(c.Other)), "merge the documents again, and propose the result")
		}
	case err != nil:
		p.fail("DocumentNotInContract", subject, check.Printable(err.Error()), "merge the documents again, and propose the result")
	}
}

// contractData: a plan about another document proves nothing.
func (p *planner) contractData(c *governance.Contract) {
	subject := "contract " + shown(c.ID)
	stored, err := parseContract([]byte(c.Data))
	if err != nil {
		p.fail("ContractUnreadable", subject, check.Printable(shorten(err.Error(), 300)), "propose a document that this package wrote")
		return
	}
	want, err := stored.Encode()
	if err == nil {
		var got []byte
		if got, err = p.spec.Encode(); err == nil {
			if line, _, _ := firstLine(want, got); line != 0 {
				p.fail("ContractDiffers", subject, fmt.Sprintf("the planned document differs from it in line %d", line), "plan with the document that the governance service has")
			}
		}
	}
	if err != nil {
		p.fail("ContractUnreadable", subject, check.Printable(err.Error()), "propose a document that this package wrote")
	}
}

func (p *planner) consents() {
	if p.in.Options == nil {
		p.unproven("ConsentUnknown", "contract", "whether the members consent to the execution", "read the runtime options from the governance service")
		return
	}
	if !p.in.Options[governance.Execution] {
		p.fail("ExecutionDisabled", "contract", "the consent to execution is not given: the room leaves at once", "have the member who disabled it enable it again")
	}
	t := Telemetry{}
	if g := p.spec.Governance; g != nil && g.Telemetry != nil {
		t = *g.Telemetry
	}
	for _, x := range []struct {
		wanted bool
		option governance.RuntimeOption
		sink   string
	}{{t.Application != nil, governance.Logging, ApplicationTelemetry}, {t.Infrastructure != nil, governance.Telemetry, InfrastructureTelemetry}} {
		if x.wanted && !p.in.Options[x.option] {
			p.warn("ExportDisabled", "datasinks["+x.sink+"]", fmt.Sprintf("the option %s is not enabled, so that the sink stays empty", x.option), "propose to enable it, and have every member vote")
		}
	}
}

// deployment: the accepted policy trusts the rooms of the accepted template,
// and that is the one of the contract.
func (p *planner) deployment() {
	hosts := p.acceptedHosts()
	if p.in.Template == nil {
		p.unproven("TemplateUnknown", "deployment template", "whether the accepted policy trusts the room that will be deployed", "read the accepted template from the governance service")
		return
	}
	if string(p.in.Template) == "{}" { // as the governance service says it
		p.fail("TemplateNotAccepted", "deployment template", "there is none", "propose the template of Generate, and have every member vote")
		return
	}
	t, err := ParseTemplate(p.in.Template)
	if err != nil {
		p.fail("TemplateUnusable", "deployment template", check.Printable(shorten(err.Error(), 300)), "propose the template of Generate, and have every member vote")
		return
	}
	p.template = t
	if id := p.contractID(); t.ContractID() != id {
		p.fail("TemplateOfAnotherContract", "deployment template", fmt.Sprintf("it is for the contract %s, not %s", shown(t.ContractID()), shown(id)), "generate the deployment for this contract")
	}
	if hosts != nil && !slices.Contains(hosts, t.HostData()) {
		p.fail("HostDataMismatch", "clean room policy", fmt.Sprintf("the template's room will report %s, the policy accepts %s", t.HostData(), shown(strings.Join(hosts, ", "))), "propose the policy of this template; keys that were bound to the other one have to be rotated")
	}
	if p.in.Generate == nil {
		p.unproven("TemplateNotRecomputed", "deployment template", "whether the accepted template is that of the contract", "give the inputs of Generate")
		return
	}
	if p.in.Policy == nil {
		return // said already
	}
	claims := map[string]any{}
	for name, values := range p.in.Policy.Claims {
		claims[name] = values
	}
	checks, err := VerifyProposals(VerifyInput{
		Specification: p.spec, GenerateOptions: *p.in.Generate, ProposedTemplate: p.in.Template,
		ProposedPolicy: governance.PolicyUpdate{Type: governance.PolicyAdd, Claims: claims},
	})
	for _, c := range check.Failed(checks) {
		if hosts == nil && strings.HasPrefix(c.ID, "policy.") {
			continue // there is none
		}
		p.fail(c.ID, "deployment", fmt.Sprintf("wanted %s, got %s", c.Want, c.Got), "the accepted deployment is not that of the contract: withdraw it and propose the one of Generate")
	}
	var invalid *ValidationError
	if err != nil && checks == nil && !errors.As(err, &invalid) { // issues are findings already
		p.fail("DeploymentImpossible", "deployment", check.Printable(shorten(err.Error(), 300)), "change the document or the inputs of Generate")
	}
}

// acceptedHosts are the host data that the policy accepts; nil if unknown.
func (p *planner) acceptedHosts() []string {
	const subject = "clean room policy"
	policy := p.in.Policy
	if policy == nil {
		p.unproven("PolicyUnknown", subject, "whether the members accepted a policy for the room", "read the clean room policy from the governance service")
		return nil
	}
	hosts := policy.HostData()
	if len(hosts) == 0 {
		state := policyState(policy, nil)
		p.fail("PolicyNotAccepted", subject, "it is "+state.Got, state.Remedy)
		return nil
	}
	for _, h := range hosts {
		if strings.EqualFold(h, AllowAllHostData) {
			p.fail("PolicyAllowsAll", subject, "it accepts the policy that lets whoever deploys the room run anything", "remove that host data from the policy")
		}
	}
	for _, v := range policy.Claims[governance.ClaimDebuggable] {
		if fmt.Sprint(v) != "false" {
			p.fail("PolicyAllowsDebug", subject, "it accepts debuggable rooms, whose memory the host can read", "propose a policy that wants "+governance.ClaimDebuggable+" false")
		}
	}
	return hosts
}

// generation: rooms of the second generation still run with its own tools, but
// nothing here deploys them.
func (p *planner) generation() {
	if p.spec.Generation != G1 {
		return
	}
	const message, remedy = "it is of the form G1, which the current tools do not read", "propose what Specification.Upgrade makes of it"
	if p.in.Sidecars {
		p.unproven("GenerationOld", "document", message, remedy)
		return
	}
	p.fail("GenerationOld", "document", message, remedy)
}
