package ccf

import "slices"

// resolve decides about an open proposal as the CGS constitution does. The
// order of the rules matters: the first that applies decides.
func resolve(x *tx, id string, p proposal, votes map[string]bool) (string, error) {
	proposer, ok := memberTable.get(x, p.proposerID)
	if !ok {
		return "", throw("Error: proposer %s is not a member", p.proposerID)
	}
	passable, err := operatorPassable(x, p.actions)
	if err != nil {
		return "", err
	}
	if passable && proposer.isOperator() {
		return stateAccepted, nil
	}
	if vetoed(p.actions, votes) || !contractsFree(x, id, p.actions) || !documentsFree(x, id, p.actions) {
		return stateRejected, nil
	}
	if every(p.actions, autoAccepted) {
		return stateAccepted, nil
	}
	unanimous, err := unanimity(x, p.actions, votes)
	if err != nil {
		return "", err
	}
	switch {
	case unanimous,
		proposer.isCGSOperator() && every(p.actions, func(name string) bool { return approvedBy(x, cgsOperatorOptions, name) }),
		proposer.isContractOperator() && every(p.actions, func(name string) bool { return approvedBy(x, contractOperatorOptions, name) }):
		return stateAccepted, nil
	}
	return stateOpen, nil
}

func every(actions []action, is func(name string) bool) bool {
	return !slices.ContainsFunc(actions, func(a action) bool { return !is(a.name) })
}

var operatorActions = []string{
	"add_snp_uvm_endorsement", "remove_ca_cert_bundle", "remove_jwt_issuer", "remove_node",
	"remove_snp_minimum_tcb_version", "remove_snp_uvm_endorsement", "set_ca_cert_bundle", "set_jwt_issuer",
	"set_node_certificate_validity", "set_node_data", "set_recovery_threshold", "set_service_certificate_validity",
	"set_snp_minimum_tcb_version_hex", "transition_node_to_trusted", "transition_service_to_open",
	"trigger_ledger_chunk", "trigger_snapshot",
}

// operatorPassable tells whether an operator alone may pass the actions. It
// runs for every proposer, and throws on a remove_member without the
// certificate that only this test reads.
func operatorPassable(x *tx, actions []action) (bool, error) {
	for _, a := range actions {
		ok := slices.Contains(operatorActions, a.name)
		switch a.name {
		case "set_member":
			ok = truthy(field(field(a.args, "member_data"), "isOperator"))
		case "remove_member":
			cert, _ := textField(a.args, "cert")
			parsed, err := parseCertificate(cert)
			if err != nil {
				return false, err
			}
			m, known := memberTable.get(x, memberID(parsed))
			ok = known && m.isOperator()
		}
		if !ok {
			return false, nil
		}
	}
	return true, nil
}

var vetoActions = []string{
	"set_contract", "set_clean_room_policy", "set_deployment_spec", "set_deployment_info",
	"set_contract_runtime_options_enable_logging", "set_contract_runtime_options_enable_telemetry",
	"set_member_document",
}

// vetoed tells whether one no, of any member, rejects the proposal.
func vetoed(actions []action, votes map[string]bool) bool {
	if !slices.ContainsFunc(actions, func(a action) bool { return slices.Contains(vetoActions, a.name) }) {
		return false
	}
	for _, yes := range votes {
		if !yes {
			return true
		}
	}
	return false
}

// contractsFree tells whether the contracts that the actions set, if any, can
// still be set: nothing else in the proposal, no id twice, none accepted, none
// in another open proposal.
func contractsFree(x *tx, id string, actions []action) bool {
	isContract := func(a action) bool { return a.name == "set_contract" }
	if !slices.ContainsFunc(actions, isContract) {
		return true
	}
	seen := map[string]bool{}
	for _, a := range actions {
		contract, _ := textField(a.args, "contractId")
		if !isContract(a) || seen[contract] {
			return false
		}
		seen[contract] = true
		if _, accepted := contractTable.get(x, contract); accepted {
			return false
		}
		others := openWith(x, func(b action) bool { return isContract(b) && field(b.args, "contractId") == contract })
		if slices.ContainsFunc(others, func(other string) bool { return other != id }) {
			return false
		}
	}
	return true
}

// autoAccepted tells whether the action needs no ballot: it only takes
// permissions back.
func autoAccepted(name string) bool {
	return name == "set_contract_runtime_options_disable_telemetry" || name == "set_contract_runtime_options_disable_logging"
}

// unanimity tells whether all counted members voted yes. A contract also waits
// for those who were added but did not acknowledge yet.
func unanimity(x *tx, actions []action, votes map[string]bool) (bool, error) {
	counted, pending, yes := 0, 0, 0
	for _, id := range memberTable.keys(x) {
		m, _ := memberTable.get(x, id)
		switch {
		case !m.counts():
		case m.status == statusActive:
			counted++
		default:
			pending++
		}
	}
	for id, vote := range votes {
		m, ok := memberTable.get(x, id)
		if !ok {
			return false, throw("TypeError: member %s is not there", id)
		}
		if vote && m.counts() {
			yes++
		}
	}
	waits := slices.ContainsFunc(actions, func(a action) bool { return a.name == "set_contract" })
	return yes == counted && (!waits || pending == 0), nil
}

// The options under which an operator's own proposals pass.
var (
	cgsOperatorOptions = map[string]string{
		"set_constitution": "autoapprove-constitution-proposal",
		"set_js_app":       "autoapprove-jsapp-proposal",
	}
	contractOperatorOptions = map[string]string{
		"set_deployment_spec":   "autoapprove-deploymentspec-proposal",
		"set_deployment_info":   "autoapprove-deploymentinfo-proposal",
		"set_clean_room_policy": "autoapprove-cleanroompolicy-proposal",
	}
)

func approvedBy(x *tx, options map[string]string, name string) bool {
	option, ok := options[name]
	return ok && cgsOption(x, option) == "enabled"
}
