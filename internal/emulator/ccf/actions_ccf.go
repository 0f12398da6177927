package ccf

import (
	"math"
	"strings"
)

// ccfActions are the built-in actions of CCF that matter to CGS flows.
var ccfActions = map[string]definition{
	"set_member":                 {validate: validateSetMember, apply: applySetMember},
	"set_member_data":            {validate: check(entity("member_id"), is("object", "member_data")), apply: applySetMemberData},
	"remove_member":              {validate: check(entity("member_id")), apply: applyRemoveMember},
	"set_recovery_threshold":     {validate: check(integer("recovery_threshold", 1, 254)), apply: applyRecoveryThreshold},
	"transition_service_to_open": {validate: check(certificate("next_service_identity"), optional("previous_service_identity", certificate("previous_service_identity"))), apply: applyOpenService},
	"set_constitution":           {validate: check(is("string", "constitution")), apply: applyConstitution},
	"set_js_app":                 {validate: validateApp, apply: applyApp},
	"set_js_runtime_options":     {validate: check(runtimeOptionRules...), apply: applyRuntimeOptions},
	"set_ca_cert_bundle":         {validate: check(is("string", "name"), certificate("cert_bundle")), apply: applyBundle},
	"remove_ca_cert_bundle":      {validate: check(is("string", "name")), apply: applyRemoveBundle},
	"add_snp_host_data":          {validate: check(is("string", "host_data"), is("string", "security_policy")), apply: applyDropOthers},
	"remove_snp_host_data":       {validate: check(is("string", "host_data"))},
	"add_snp_measurement":        {validate: check(is("string", "measurement")), apply: applyDropOthers},
	"add_snp_uvm_endorsement":    {validate: check(is("string", "did"), is("string", "feed"), is("string", "svn")), apply: applyDropOthers},
	"trigger_ledger_chunk":       {},
	"trigger_snapshot":           {},
}

func applyDropOthers(a *applying, _ any) error {
	dropOthers(a)
	return nil
}

func validateSetMember(_ *tx, args any) error {
	err := checkAll(args, []rule{
		certificate("cert"),
		optionalType("object", "member_data"),
		optional("recovery_role", oneOf("recovery_role", roleNone, roleParticipant, roleOwner)),
	})
	if err != nil {
		return err
	}
	if key := field(args, "encryption_pub_key"); key != nil && key != undefined {
		s, ok := key.(string)
		if !ok {
			return throw("Error: encryption_pub_key must be of type string but is %s", typeOf(key))
		}
		if _, err := parseRSAPublicKey(s); err != nil {
			return err
		}
	} else if role, ok := textField(args, "recovery_role"); ok && role != roleNone {
		return throw("Error: recovery_role %s needs encryption_pub_key", role)
	}
	return nil
}

func applySetMember(a *applying, args any) error {
	cert, _ := textField(args, "cert")
	key, _ := textField(args, "encryption_pub_key")
	role, _ := textField(args, "recovery_role")
	data := field(args, "member_data")
	if data == undefined {
		data = nil
	}
	return addMember(a.tx, cert, data, key, role)
}

func applySetMemberData(a *applying, args any) error {
	id, _ := textField(args, "member_id")
	m, ok := memberTable.get(a.tx, id)
	if !ok {
		return throw("Error: Member %s does not exist", id)
	}
	m.data = field(args, "member_data")
	memberTable.put(a.tx, id, m)
	return nil
}

// applyRemoveMember removes whom member_id names; cert is only for the
// operator test of the resolve rule.
func applyRemoveMember(a *applying, args any) error {
	id, _ := textField(args, "member_id")
	m, ok := memberTable.get(a.tx, id)
	if !ok {
		return nil
	}
	threshold := serviceOf(a.tx).threshold
	if m.status == statusActive && m.recovers() && isOpen(a.tx) && activeRecoveryMembers(a.tx) <= threshold {
		return throw("Error: Number of active recovery members would drop below the recovery threshold of %d", threshold)
	}
	memberTable.remove(a.tx, id)
	digestTable.remove(a.tx, id)
	return nil
}

func activeRecoveryMembers(x *tx) int {
	n := 0
	for _, id := range memberTable.keys(x) {
		if m, _ := memberTable.get(x, id); m.status == statusActive && m.recovers() {
			n++
		}
	}
	return n
}

func applyRecoveryThreshold(a *applying, args any) error {
	f, _ := field(args, "recovery_threshold").(float64)
	threshold := int(f) // an integer of 1 to 254, by validation
	if n := activeRecoveryMembers(a.tx); isOpen(a.tx) && threshold > n {
		return throw("Error: Cannot set recovery threshold to %d: recovery threshold would be greater than the number of recovery members %d", threshold, n)
	}
	s := serviceOf(a.tx)
	s.threshold = threshold
	serviceTable.put(a.tx, "", s)
	return nil
}

func applyOpenService(a *applying, args any) error {
	next, _ := textField(args, "next_service_identity")
	if strings.TrimSpace(next) != strings.TrimSpace(a.service.certPEM) {
		return throw("Error: next_service_identity is not the certificate of this service")
	}
	s := serviceOf(a.tx)
	s.status = statusOpen
	serviceTable.put(a.tx, "", s)
	return nil
}

var textTable = table[string]("texts") // the proposed constitution, by name

func applyConstitution(a *applying, args any) error {
	script, _ := textField(args, "constitution")
	textTable.put(a.tx, "constitution", script)
	dropOthers(a)
	return nil
}

var appTable = table[any]("js_app")

func validateApp(_ *tx, args any) error {
	bundle := field(args, "bundle")
	if err := checkAll(bundle, []rule{is("object", "metadata"), is("object", "modules")}); err != nil {
		return err
	}
	if _, ok := field(field(bundle, "metadata"), "endpoints").(*object); !ok {
		return throw("Error: bundle.metadata.endpoints must be of type object")
	}
	modules, ok := field(bundle, "modules").([]any)
	if !ok {
		return throw("Error: bundle.modules must be an array")
	}
	for _, m := range modules {
		if err := checkAll(m, []rule{is("string", "name"), is("string", "module")}); err != nil {
			return err
		}
	}
	return nil
}

func applyApp(a *applying, args any) error {
	appTable.put(a.tx, "", field(args, "bundle"))
	return nil
}

var runtimeOptionRules = []rule{
	integer("max_heap_bytes", 0, math.MaxUint32), integer("max_stack_bytes", 0, math.MaxUint32),
	integer("max_execution_time_ms", 0, math.MaxUint32), optionalType("boolean", "log_exception_details"),
	optionalType("boolean", "return_exception_details"), optional("max_cached_interpreters", integer("max_cached_interpreters", 0, math.MaxUint32)),
}

var jsOptionsTable = table[any]("js_runtime_options")

func applyRuntimeOptions(a *applying, args any) error {
	jsOptionsTable.put(a.tx, "", args)
	return nil
}

// returnsExceptions tells whether callers see what a script threw.
func returnsExceptions(x *tx) bool {
	options, ok := jsOptionsTable.get(x, "")
	return ok && truthy(field(options, "return_exception_details"))
}
