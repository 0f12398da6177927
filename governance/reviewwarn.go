package governance

import "fmt"

// warningRemedies has the remedy of each kind of warning.
var warningRemedies = map[string]string{
	"proposal.empty": "reject it: the service accepts an empty proposal without a vote, so this one is not what it seems",
	"proposal.mixed": "one vote accepts all of them; ask for one proposal each if you do not want all",

	"action.raw": "ask the proposer what it does, and read the constitution before you vote",

	"contract.accepted":      "reject it: what is accepted cannot be changed, and this would have to be another one",
	"contract.shown":         "reject it: the service shows other data than was signed",
	"contract.other":         "read it again, and vote on the proposal that it names",
	"contract.draft-changed": "compare the difference with what you agreed on; vote on what is proposed, not on what you read before",
	"contract.unversioned":   "compare the whole text: it was not made from a draft of the service",

	"policy.launch-measurement": "ask for " + ClaimMeasurement + " as well: without it any program below the container policy may run on any genuine machine",
	"policy.vmpl":               "ask for " + ClaimVMPL + "=0 as well",
	"policy.host-data-missing":  "ask for " + ClaimHostData + ": without it any container policy matches",
	"policy.host-data-many":     "remove the values that are not meant; a value that is not removed matches for ever",
	"policy.allow-all":          "reject it: with this host data anything runs in the room, and it can read every secret of the contract",
	"policy.debuggable":         "ask for " + ClaimDebuggable + "=false: the host reads the memory of a guest that is debuggable",
	"policy.unsatisfiable":      "no evidence has this value; correct the proposal",
	"policy.fails":              "withdraw it: the vote that would accept it fails in the service",
	"policy.template":           "compare the deployment template with the policy: one of them is not what the other was made for",

	"member.demoted":             "the member must activate itself again before its vote counts; until then the others decide without it",
	"member.role":                "make sure that all agree on who decides: a member with this role is not asked",
	"member.operator-alone":      "an operator can pass this alone; look at who the operators are",
	"member.remove-without-cert": "propose it again with the certificate: the constitution fails without one",
	"member.remove-other-cert":   "reject it: the certificate belongs to somebody else than the member who would be removed",
	"member.unknown":             "check the member id",
	"member.no-voters":           "reject it: with nobody left whose vote counts, the service accepts every proposal at once",

	"jwt.issuer":  "whoever controls the issuer or its keys can act as every user with a token; make sure that you trust it",
	"user.tenant": "ask for the claim tid as well: the others are unique within one tenant only, so a stranger's can have the same",

	"service.code":         "read all of it: it replaces the rules by which proposals are accepted, or the program that answers for them; other open proposals may be dropped",
	"service.identity":     "reject it: it names another service than the one that this program talks to",
	"service.auto-approve": "an operator passes such proposals alone from then on; disable the option when it is no longer needed",
}

func (r *reviewer) warn(id, format string, args ...any) {
	remedy, ok := warningRemedies[id]
	if !ok {
		panic("governance: internal error: no remedy for " + id)
	}
	r.review.Warnings = append(r.review.Warnings, Warning{ID: id, Action: r.index, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

// warnActions looks at the list of actions as a whole.
func (r *reviewer) warnActions(actions []Action) {
	switch n := len(actions); {
	case n == 0:
		r.warn("proposal.empty", "the proposal has no action")
	case n > 1:
		r.warn("proposal.mixed", "one vote accepts %d actions", n)
	}
}
