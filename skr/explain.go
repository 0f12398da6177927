package skr

import (
	"fmt"
	"strings"
)

// Explanation says whether claims satisfy a release policy and, if they do
// not, what the nearest branch of it misses.
type Explanation struct {
	// Satisfied is true if some branch holds; then Checks is that branch.
	Satisfied bool
	// Authority is the authority of the branch that Checks is about.
	Authority string
	// Checks are the branch's conditions in order, first that of its authority.
	// In an anyOf only the nearest alternative is listed.
	Checks []Check
}

// Explain evaluates the policy against the claims of a token. Of several
// branches it explains the one that holds, else the one that names the token's
// issuer and has the fewest failed conditions.
func (p *ReleasePolicy) Explain(claims Claims) *Explanation {
	var best *Explanation
	var bestDistance int
	for _, b := range p.branches {
		e, distance := b.explain(claims)
		if best == nil || distance < bestDistance {
			best, bestDistance = e, distance
		}
	}
	if best == nil { // only a zero ReleasePolicy has no branch
		return &Explanation{Checks: []Check{{ID: "policy.authority", Want: "a branch", Got: "an empty policy", Err: errRefused}}}
	}
	return best
}

// foreignAuthority outweighs any number of conditions: a branch of another
// authority is never the nearest while one of ours exists.
const foreignAuthority = 1 << 20

func (b branch) explain(claims Claims) (*Explanation, int) {
	var l checklist
	distance := 0
	issuer := claims.textOrAbsent(claimIssuer)
	if !l.equal("policy.authority", b.authority, issuer,
		"attest with the service that the policy names, written as https://HOST without a trailing slash, or import the key again with a policy for this one") {
		distance = foreignAuthority
	}
	checks, failed := b.rule.explain(claims)
	return &Explanation{
		Satisfied: distance+failed == 0,
		Authority: b.authority,
		Checks:    append(l.checks, checks...),
	}, distance + failed
}

// explain lists the checks of a condition and counts those that failed.
func (c condition) explain(claims Claims) (checks []Check, failed int) {
	switch c.group {
	case allOf:
		for _, child := range c.children {
			more, n := child.explain(claims)
			checks, failed = append(checks, more...), failed+n
		}
		return checks, failed
	case anyOf:
		failed = -1
		for _, child := range c.children {
			if more, n := child.explain(claims); failed < 0 || n < failed {
				checks, failed = more, n
			}
		}
		return checks, failed
	}
	var l checklist
	if !l.that("policy."+c.claim, c.wanted(), claims.textOrAbsent(c.claim), remedyFor(c.claim), refuseIf(!c.holds(claims))) {
		failed = 1
	}
	return l.checks, failed
}

func (c condition) wanted() string {
	want, _ := scalarText(c.value)
	return phrases[c.op] + want
}

// remedyFor says what usually makes a claim differ.
func remedyFor(claim string) string {
	switch claim[strings.LastIndexByte(claim, '.')+1:] {
	case claimHostData:
		return "the room runs another security policy than the one that was accepted: deploy the accepted template unchanged, or accept a clean room policy for this one and import the key again"
	case claimCompliance:
		return "the evidence lacks valid UVM endorsements: deploy as confidential ACI and pass reference-info-base64 on"
	case claimType:
		return "run on SEV-SNP hardware: confidential ACI, or a container group of SKU Confidential"
	case claimDebuggable:
		return "deploy without debugging: a debuggable guest's memory can be read by its host"
	}
	return "compare the claim with the key's release policy; change the deployment, or import the key again with a policy that fits"
}

// String is one line that gives the verdict and one for each check.
func (e *Explanation) String() string {
	var b strings.Builder
	verdict := "not satisfied"
	if e.Satisfied {
		verdict = "satisfied"
	}
	fmt.Fprintf(&b, "release policy %s; nearest branch has authority %s", verdict, e.Authority)
	for _, c := range e.Checks {
		fmt.Fprintf(&b, "\n\t%s", c)
		if c.Remedy != "" {
			fmt.Fprintf(&b, "\n\t\t%s", c.Remedy)
		}
	}
	return b.String()
}
